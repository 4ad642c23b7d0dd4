//! What transforms mean, against recorded answers and cases of this crate.

mod corpus;
mod hostile;
mod properties;
mod refusals;

use tripline_transform::{Applied, ApplyError, Transform};

/// The output, as text.
fn output(transform: &str, event: &str) -> Result<String, ApplyError> {
    let transform = Transform::parse(transform).expect("a valid transform");
    match transform.apply(event.as_bytes())? {
        Applied::Output(output) => Ok(String::from_utf8(output).expect("UTF-8")),
        Applied::Run(program) => panic!("no program is run here: {program:?}"),
    }
}
