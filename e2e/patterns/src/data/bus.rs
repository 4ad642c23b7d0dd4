//! Events of many services on one bus, and what triggers ask of them.

use crate::random::Random;

const SOURCES: usize = 100;
const TYPES: usize = 20;
const ACCOUNTS: usize = 500;
const TENANTS: usize = 2_000;
const REGIONS: [&str; 15] = [
    "eu-central-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "sa-east-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
];
const AREAS: [&str; 10] = [
    "orders", "billing", "storage", "identity", "search", "mail", "media", "metrics", "stock",
    "shipping",
];
const STATES: [&str; 8] =
    ["created", "pending", "running", "stopping", "stopped", "failed", "archived", "deleted"];
const VERBS: [&str; 5] = ["Created", "Changed", "Removed", "Failed", "Restored"];
const FORMATS: [&str; 4] = ["jpg", "png", "pdf", "json"];

fn source(random: &mut Random) -> String {
    let number = random.skewed(SOURCES);
    format!("com.example.{}.svc{number:02}", AREAS[number % AREAS.len()])
}

fn detail_type(random: &mut Random) -> String {
    let number = random.skewed(TYPES);
    format!("Object {} v{}", VERBS[number % VERBS.len()], number / VERBS.len())
}

fn account(random: &mut Random) -> String {
    format!("{:012}", 100_000_000_007 + random.skewed(ACCOUNTS) * 1_234_577)
}

fn bucket(random: &mut Random) -> String {
    format!("uploads-{:04}", random.skewed(TENANTS))
}

fn key_prefix(random: &mut Random) -> String {
    format!("tenants/{:04}/", random.skewed(TENANTS))
}

/// About 500 bytes.
pub(super) fn event(random: &mut Random) -> String {
    let (uid, tag) = (random.next(), random.next());
    let region = REGIONS[random.skewed(REGIONS.len())];
    format!(
        r#"{{"id":"{uid:016x}-{tag:08x}","source":"{}","detail-type":"{}","account":"{}","region":"{region}","time":"2026-11-{:02}T{:02}:{:02}:{:02}Z","resources":["arn:example:{region}:bucket/{tag:016x}"],"detail":{{"bucket":{{"name":"{}","tier":{}}},"object":{{"key":"{}{}/{:012x}.{}","size":{},"etag":"{:016x}"}},"state":"{}","attempt":{},"requester":{{"ip":"10.{}.{}.{}","agent":"uploader/{}.{}"}}}}}}"#,
        source(random),
        detail_type(random),
        account(random),
        1 + random.below(30),
        random.below(24),
        random.below(60),
        random.below(60),
        bucket(random),
        random.below(4),
        key_prefix(random),
        random.pick(&["in", "out", "archive"]),
        random.next() >> 16,
        random.pick(&FORMATS),
        random.below(5_000_000),
        random.next(),
        random.pick(&STATES),
        random.below(5),
        random.below(256),
        random.below(256),
        random.below(256),
        random.below(9),
        random.below(30),
    )
}

/// Every other pattern asks for three exact values, the others for one and a prefix.
pub(super) fn pattern(number: usize, random: &mut Random) -> String {
    let source = source(random);
    if number % 2 == 1 {
        let prefix = key_prefix(random);
        return format!(
            r#"{{"source": ["{source}"], "detail": {{"object": {{"key": [{{"prefix": "{prefix}"}}]}}}}}}"#
        );
    }
    let third = match number / 2 % 3 {
        0 => format!(r#""account": ["{}"]"#, account(random)),
        1 => format!(r#""region": ["{}"]"#, REGIONS[random.skewed(REGIONS.len())]),
        _ => format!(r#""detail": {{"bucket": {{"name": ["{}"]}}}}"#, bucket(random)),
    };
    format!(r#"{{"source": ["{source}"], "detail-type": ["{}"], {third}}}"#, detail_type(random))
}
