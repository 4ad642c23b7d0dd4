//! Records of lots of land: flat properties, and an outline in nested arrays of points.

use std::fmt::Write as _;

use crate::random::Random;

/// Streets, as they stand in events.
const STREETS: [&str; 24] = [
    "ALMOND",
    "BIRCH",
    "CANYON",
    "DOLPHIN",
    "ELMWOOD",
    "FOUNTAIN",
    "GARDEN",
    "HARBOUR",
    "IRVING",
    "JUNIPER",
    "KESTREL",
    "LINDEN",
    "MARITIME",
    "NORTHPOINT",
    "ORCHARD",
    "PALOMA",
    "QUARRY",
    "ROSEWOOD",
    "SAGEBRUSH",
    "TAMARIND",
    "UNION",
    "VALENCIA",
    "WILLOW",
    "YARROW",
];
const WAYS: [&str; 6] = ["ST", "AVE", "BLVD", "DR", "LN", "WAY"];
/// Points of an outline: about 850 bytes an event.
const POINTS: usize = 8;
/// Grid of the corners of lots, in millionths of a degree.
const GRID: usize = 2_000;

/// One kind of operator.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Its five patterns.
    pub(super) patterns: fn() -> Vec<String>,
}

/// Each kind of operator that is measured alone.
pub(super) const KINDS: [Kind; 9] = [
    Kind {
        name: "exact",
        patterns: || lot_numbers().map(|lot| on("block_lot", &quoted(&lot))).into(),
    },
    Kind {
        name: "exact-last",
        patterns: || lot_numbers().map(|lot| format!(r#"{{"key": ["lot/{lot}"]}}"#)).into(),
    },
    Kind {
        name: "prefix",
        patterns: || {
            ["AL", "FOUN", "GARDEN", "W", "NORTHP"]
                .map(|text| on("street", &operator("prefix", text)))
                .into()
        },
    },
    Kind {
        name: "suffix",
        patterns: || {
            ["WOOD", "ON", "Y", "POINT", "BRUSH"]
                .map(|text| on("street", &operator("suffix", text)))
                .into()
        },
    },
    Kind {
        name: "wildcard",
        patterns: || {
            ["*A*E", "M*I*", "*O*O*", "*UNI*", "K*ST*L"]
                .map(|text| on("street", &operator("wildcard", text)))
                .into()
        },
    },
    Kind {
        name: "ignore-case",
        patterns: || {
            ["almond", "Birch", "cAnYoN", "quarry", "Yarrow"]
                .map(|text| on("street", &operator("equals-ignore-case", text)))
                .into()
        },
    },
    Kind {
        name: "anything-but",
        patterns: || {
            ["ST", "AVE", "BLVD", "DR", "LN"]
                .map(|text| on("st_type", &operator("anything-but", text)))
                .into()
        },
    },
    Kind {
        name: "numeric",
        patterns: || {
            [
                r#"["=", 1999]"#,
                r#"["<", 40]"#,
                r#"[">", 4900.5]"#,
                r#"[">=", 300, "<", 325]"#,
                r#"[">", 2e3, "<=", 2010]"#,
            ]
            .map(|interval| on("from_st", &format!(r#"{{"numeric": {interval}}}"#)))
            .into()
        },
    },
    Kind { name: "arrays", patterns: arrays },
];

/// The numbers of lots that patterns ask for: all occur.
fn lot_numbers() -> [String; 5] {
    [3, 777, 4_242, 12_001, 19_990].map(lot_number)
}

fn lot_number(number: usize) -> String {
    format!("{:04}{:03}", number / 60 + 1, number % 60 + 1)
}

fn quoted(text: &str) -> String {
    format!(r#""{text}""#)
}

fn operator(name: &str, operand: &str) -> String {
    format!(r#"{{"{name}": "{operand}"}}"#)
}

fn on(property: &str, alternative: &str) -> String {
    format!(r#"{{"properties": {{"{property}": [{alternative}]}}}}"#)
}

/// Points that meet several conditions at once, inside arrays inside arrays.
fn arrays() -> Vec<String> {
    let range = |low: usize, high: usize| {
        format!(r#"[{{"numeric": [">", {}, "<=", {}]}}]"#, degrees(122, high), degrees(122, low))
    };
    [(0, 20), (300, 400), (700, 710), (1_000, 1_500), (1_990, 1_999)]
        .map(|(low, high)| {
            format!(
                r#"{{"geometry": {{"type": ["Polygon"], "rings": {{"points": {{"x": {}, "z": [0], "corner": [true]}}}}}}}}"#,
                range(low, high)
            )
        })
        .into()
}

/// So many millionths beyond whole degrees, as patterns write it.
fn degrees(whole: usize, millionths: usize) -> String {
    format!("-{whole}.{millionths:06}")
}

/// The same as events write it: in 15 digits, which is as long as surveyors have them.
fn measured(whole: usize, millionths: usize, random: &mut Random) -> String {
    format!("-{whole}.{millionths:06}{:06}", random.below(1_000_000))
}

/// About 850 bytes.
pub(super) fn event(number: usize, random: &mut Random) -> String {
    let lot = lot_number(number);
    let street = *random.pick(&STREETS);
    let from = random.below(5_000);
    let (mut x, mut y) = (random.below(GRID), random.below(GRID));
    let mut points = String::new();
    for point in 0..POINTS {
        let comma = if point == 0 { "" } else { "," };
        let corner = random.percent(60);
        write!(
            points,
            r#"{comma}{{"x":{},"y":{},"z":{},"corner":{corner}}}"#,
            measured(122, x, random),
            measured(37, y, random),
            random.below(2)
        )
        .expect("a string takes all");
        (x, y) = (x + random.below(40), y + random.below(40));
    }
    format!(
        r#"{{"type":"Feature","properties":{{"map_block_lot":"{lot}","block_lot":"{lot}","block":"{}","lot":"{}","from_st":{from},"to_st":{},"street":"{street}","st_type":"{}","odd_even":"{}"}},"geometry":{{"type":"{}","rings":[{{"outer":true,"points":[{points}]}}]}},"source":"survey/{:08x}","time":"2026-{:02}-{:02}T08:00:00Z","key":"lot/{lot}"}}"#,
        &lot[..4],
        &lot[4..],
        from + random.below(3) * 2,
        random.pick(&WAYS),
        if from.is_multiple_of(2) { "E" } else { "O" },
        if random.percent(90) { "Polygon" } else { "Line" },
        random.next() >> 32,
        1 + random.below(12),
        1 + random.below(28),
    )
}
