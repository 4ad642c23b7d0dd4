//! event-ruler: fetched from Maven Central in one version, checked, and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

const MAVEN: &str = "https://repo1.maven.org/maven2";
/// What is needed to run it: where it is on Maven Central, and the SHA-256 of it.
const JARS: [(&str, &str); 6] = [
    (
        "software/amazon/event/ruler/event-ruler/2.1.0/event-ruler-2.1.0.jar",
        "0de916a30048f996f129d05eb3dc6871c89a462f1377c876fd2d34f2e04152fe",
    ),
    (
        "com/fasterxml/jackson/core/jackson-core/2.22.2/jackson-core-2.22.2.jar",
        "ff167a6317be15895706c26668f45b898efe40ab8780970658210fe1393d52a6",
    ),
    (
        "com/fasterxml/jackson/core/jackson-databind/2.22.2/jackson-databind-2.22.2.jar",
        "d0da14c12b16b5d54719aa172d83b542ff4abeb8b0fb7db476fde8ceece760ca",
    ),
    (
        "com/fasterxml/jackson/core/jackson-annotations/2.22/jackson-annotations-2.22.jar",
        "21ddb598807d3a51a876704eb979d9296e1c6a6f47ab1826ff88c6d6a127a2d0",
    ),
    (
        "ch/randelshofer/fastdoubleparser/2.0.1/fastdoubleparser-2.0.1.jar",
        "4242e2335299026524d331355a6cd75abdc38c8fed4402f25b5c7ce9d7668cc1",
    ),
    (
        "com/google/code/findbugs/jsr305/3.0.2/jsr305-3.0.2.jar",
        "766ad2a0783f2687962c8ad74ceecc38a28b9f72a2d085ee438b7813e928d0c7",
    ),
];
/// The program that asks event-ruler.
const SOURCE: &str = include_str!("../java/Ruler.java");

/// event-ruler, ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Ruler {
    class_path: String,
}

impl Ruler {
    /// Fetches what is not there yet into the cache, and compiles the program.
    pub(crate) fn prepare(cache: &Path) -> anyhow::Result<Self> {
        let folder = cache.join("event-ruler-2.1.0");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let mut class_path = vec![compiled(&folder)?];
        for (address, sha256) in JARS {
            class_path.push(fetched(&folder, address, sha256)?);
        }
        // The program can be compiled only now, beside what it uses.
        let joined =
            class_path.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        let ruler = Self { class_path: joined };
        ruler.compile(&class_path[0])?;
        Ok(ruler)
    }

    fn compile(&self, classes: &Path) -> anyhow::Result<()> {
        if classes.join("Ruler.class").exists() {
            return Ok(());
        }
        let sources = tempfile::tempdir()?;
        let source = sources.path().join("Ruler.java");
        std::fs::write(&source, SOURCE)?;
        run(Command::new("javac").args(["-cp", &self.class_path, "-d"]).arg(classes).arg(source))?;
        Ok(())
    }

    /// Runs the program; answers with what it prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut java = Command::new("java");
        // event-ruler would look names that are nearly addresses up in the DNS.
        java.args(["-Djdk.net.hosts.file=/dev/null", "-Xmx6g", "-cp", &self.class_path, "Ruler"]);
        run(java.args(arguments))
    }
}

/// Where the program is compiled to: elsewhere for each text of it.
fn compiled(folder: &Path) -> anyhow::Result<PathBuf> {
    let classes =
        folder.join(format!("classes-{}", &HEXLOWER.encode(&Sha256::digest(SOURCE))[..16]));
    std::fs::create_dir_all(&classes)?;
    Ok(classes)
}

fn fetched(folder: &Path, address: &str, sha256: &str) -> anyhow::Result<PathBuf> {
    let name = address.rsplit('/').next().unwrap_or(address);
    let jar = folder.join(name);
    if !jar.exists() {
        // Under another name until it is whole and checked.
        let part = folder.join(format!("{name}.{}.part", std::process::id()));
        let mut curl = Command::new("curl");
        run(curl
            .args(["-sSfL", "--retry", "3", "-o"])
            .arg(&part)
            .arg(format!("{MAVEN}/{address}")))?;
        check(&part, sha256)?;
        std::fs::rename(&part, &jar)?;
    }
    check(&jar, sha256)?;
    Ok(jar)
}

fn check(file: &Path, sha256: &str) -> anyhow::Result<()> {
    let found = HEXLOWER.encode(&Sha256::digest(std::fs::read(file)?));
    if found != sha256 {
        bail!("{} has the SHA-256 {found} instead of {sha256}", file.display());
    }
    Ok(())
}

/// Runs a program to its end; answers with its standard output. What it writes to standard error is seen.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("what {name} printed"))
}
