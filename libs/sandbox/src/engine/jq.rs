//! jq, by jaq.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jaq_core::data::HasLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, DataT, Filter, Lut, Vars, load, unwrap_valr};
use jaq_json::{Val, read, write};

use super::output;
use crate::answer::{Answer, Limit};
use crate::limits::STEPS_MAX;

/// Filters that reach out of the program: to the environment, the clock, the log, or the process itself.
const OUTSIDE: [&str; 10] = [
    "debug",
    "debug_empty",
    "env",
    "halt",
    "halt_error",
    "localtime",
    "now",
    "stderr",
    "stderr_empty",
    "strflocaltime",
];

pub(super) fn run(source: &str, event: Option<&[u8]>) -> Answer {
    let filter = match compile(source) {
        Ok(filter) => filter,
        Err(why) => return Answer::Invalid(why),
    };
    let Some(event) = event else { return Answer::Output(Vec::new()) };
    let event = match read::parse_single(event) {
        Ok(event) => event,
        Err(error) => return Answer::Failed(format!("the event cannot be read: {error}")),
    };
    let steps = Cell::new(STEPS_MAX);
    let evaluated = catch_unwind(AssertUnwindSafe(|| evaluate(&filter, event, &steps)));
    match evaluated {
        Ok(answer) => answer,
        Err(payload) if payload.is::<Exhausted>() => Answer::Exceeded(Limit::Steps),
        Err(payload) => resume_unwind(payload),
    }
}

fn evaluate(filter: &Filter<Counting>, event: Val, steps: &Cell<usize>) -> Answer {
    let context = Ctx::<Counting>::new(Counted { lut: &filter.lut, steps }, Vars::new([]));
    let mut outputs = filter.id.run((context, event)).map(unwrap_valr);
    let first = match outputs.next() {
        None => return Answer::Failed("the program has no output for this event".to_owned()),
        Some(Err(error)) => return Answer::Failed(error.to_string()),
        Some(Ok(first)) => first,
    };
    match outputs.next() {
        None => output(|out| write::write(out, &write::Pp::default(), 0, &first).is_ok()),
        Some(Err(error)) => Answer::Failed(error.to_string()),
        Some(Ok(_)) => Answer::Failed(
            "the program has more than one output: put them into an array, as in [ .[] ]"
                .to_owned(),
        ),
    }
}

fn compile(source: &str) -> Result<Filter<Counting>, String> {
    let is_inside = |name: &str| !OUTSIDE.contains(&name);
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let loader = Loader::new(defs.filter(|def| is_inside(def.name)));
    let modules = loader.load(&arena, File { code: source, path: () }).map_err(|errors| {
        told(errors.into_iter().map(|(file, error)| syntax(file.code, &error)))
    })?;
    let compiler = Compiler::default().with_funs(funs.filter(|(name, ..)| is_inside(name)));
    compiler.compile(modules).map_err(|errors| {
        told(errors.into_iter().flat_map(|(file, errors)| {
            let unknown = move |(name, what): (&str, jaq_core::compile::Undefined)| {
                format!("unknown {} '{name}'{}", what.as_str(), place(file.code, name))
            };
            errors.into_iter().map(unknown)
        }))
    })
}

fn told(faults: impl Iterator<Item = String>) -> String {
    faults.collect::<Vec<_>>().join("; ")
}

fn syntax(source: &str, error: &load::Error<&str>) -> String {
    match error {
        load::Error::Io(_) => "a program imports nothing".to_owned(),
        load::Error::Lex(errors) => told(errors.iter().map(|(expected, found)| {
            format!("{} expected{}", expected.as_str(), place(source, found))
        })),
        load::Error::Parse(errors) => told(errors.iter().map(|(expected, found)| {
            format!("{} expected{}", expected.as_str(), place(source, found))
        })),
    }
}

/// Where a part of the source stands in it.
fn place(source: &str, part: &str) -> String {
    let before = source.get(..load::span(source, part).start).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    format!(" (line {line}, column {column})")
}

/// The run is over: its steps are used up.
struct Exhausted;

/// What the interpreter works on: JSON, and a count of steps.
struct Counting;

impl DataT for Counting {
    type V<'a> = Val;
    type Data<'a> = Counted<'a>;
}

#[derive(Clone, Copy)]
struct Counted<'a> {
    lut: &'a Lut<Counting>,
    steps: &'a Cell<usize>,
}

impl<'a> HasLut<'a, Counting> for Counted<'a> {
    /// The interpreter asks for this to evaluate any term, so here is where steps are counted. It has no other way to
    /// stop a program that would catch an error.
    fn lut(&self) -> &'a Lut<Counting> {
        match self.steps.get().checked_sub(1) {
            Some(left) => self.steps.set(left),
            None => resume_unwind(Box::new(Exhausted)),
        }
        self.lut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(source: &str, event: &str) -> String {
        match run(source, Some(event.as_bytes())) {
            Answer::Output(output) => String::from_utf8(output).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn programs_give_one_output() {
        let event = r#"{"data": {"n": 1.50, "big": 12345678901234567890.10, "list": ["a", "b"]}}"#;
        for (source, output) in [
            (".data.n", "1.50"),
            (".data.big", "12345678901234567890.10"),
            (
                "{list: .data.list | map(ascii_upcase), n: (.data.n + 1)}",
                r#"{"list":["A","B"],"n":2.5}"#,
            ),
            ("def f: if . < 10 then . + 1 | f else . end; 0 | f", "10"),
            ("[.data.list[] | test(\"^a\")]", "[true,false]"),
            (
                ".data.list[]",
                r#"Failed("the program has more than one output: put them into an array, as in [ .[] ]")"#,
            ),
            ("empty", r#"Failed("the program has no output for this event")"#),
            ("error(\"no\")", r#"Failed("\"no\"")"#),
            (".data.list.x", r#"Failed("cannot index [\"a\",\"b\"] with \"x\"")"#),
        ] {
            assert_eq!(on(source, event), output, "{source}");
        }
    }

    #[test]
    fn what_is_no_program_is_told_with_its_place() {
        for (source, why) in [
            (".a | ", "Invalid(\"term expected (line 1, column 6)\")"),
            ("(.a", "Invalid(\"closing parenthesis expected (line 1, column 4)\")"),
            (".a |\n frobnicate", "Invalid(\"unknown filter 'frobnicate' (line 2, column 2)\")"),
            ("$x", "Invalid(\"unknown variable '$x' (line 1, column 1)\")"),
            ("import \"a\" as a; .", "Invalid(\"a program imports nothing\")"),
        ] {
            assert_eq!(on(source, "{}"), why, "{source}");
        }
    }

    #[test]
    fn nothing_outside_is_reached() {
        for source in [
            "env",
            "$ENV",
            "now",
            "halt",
            "halt_error",
            "debug",
            "stderr",
            "input",
            "inputs",
            "localtime",
            "input_filename",
        ] {
            let told = on(source, "{}");
            assert!(told.starts_with("Invalid(\"unknown "), "{source}: {told}");
        }
    }

    #[test]
    fn an_endless_program_runs_out_of_steps_even_if_it_catches_errors() {
        for source in [
            "def f: f; f",
            "last(repeat(1))",
            "[limit(1e9; repeat(1))] | length",
            "reduce range(1e12) as $i (0; . + $i)",
            "try (def f: f; f) catch 1",
            "until(false; .)",
            "[range(1e9) | try error catch .] | length",
        ] {
            assert_eq!(on(source, "{}"), "Exceeded(Steps)", "{source}");
        }
    }

    #[test]
    fn an_output_is_json_and_bounded() {
        assert_eq!(on("[range(600000)]", "{}"), "Exceeded(Output)");
        // Shared values are small in memory, and without end when they are written.
        assert_eq!(on("reduce range(60) as $i (1; [., .])", "{}"), "Exceeded(Output)");
        assert!(on("nan", "{}").starts_with("Failed"), "{}", on("nan", "{}"));
    }
}
