//! The tables of `docs/performance.md`, from the files that the load program wrote.

use std::fmt::Write as _;

use anyhow::Context as _;

use crate::generated::Page;

const PAGE: Page = Page("performance");

/// Writes the tables, or checks that they are what the result files say.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    PAGE.run(check, &tables()?)
}

fn tables() -> anyhow::Result<String> {
    let mut out = String::new();
    for (file, result) in PAGE.results()? {
        let name =
            file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = |key: &str| result[key].as_str().unwrap_or("?").to_owned();
        let number = |key: &str| result[key].as_f64().context(format!("{name}: no number '{key}'"));
        writeln!(out, "\n### {} ({})\n", text("edition"), text("mode"))?;
        writeln!(out, "`{}`\n", text("command"))?;
        writeln!(
            out,
            "Commit `{}`, {} cores, load average {:.2} before the run; file `{name}`.\n",
            text("commit"),
            number("cores")?,
            number("load_average_before")?
        )?;
        let idle = result["mode"] == "idle";
        if idle {
            writeln!(out, "Ready {:.0} ms after its start.\n", number("ready_ms")?)?;
        } else {
            let head = "| events published | delivered/s | publish → function p50 | p99 | duplicates | lost |";
            writeln!(out, "{head}\n| ---: | ---: | ---: | ---: | ---: | ---: |")?;
            writeln!(
                out,
                "| {:.0} | {:.0} | {:.2} ms | {:.2} ms | {:.0} | {:.0} |\n",
                number("published")?,
                number("delivered_per_second")?,
                number("p50_ms")?,
                number("p99_ms")?,
                number("duplicates")?,
                number("lost")?
            )?;
        }
        let (title, cpu) = if idle {
            ("CPU ms a second", "cpu_ms_per_second")
        } else {
            ("CPU s per 1,000 events", "cpu_seconds_per_1000")
        };
        writeln!(out, "| process | {title} | memory |\n| --- | ---: | ---: |")?;
        for process in result["processes"].as_array().context(format!("{name}: no processes"))? {
            writeln!(
                out,
                "| {} | {:.4} | {:.0} MB |",
                process["name"].as_str().unwrap_or("?"),
                process[cpu].as_f64().unwrap_or(f64::NAN),
                process["memory_mb"].as_f64().unwrap_or(f64::NAN)
            )?;
        }
    }
    writeln!(out)?;
    Ok(out)
}
