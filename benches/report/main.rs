//! Runs the benchmarks and writes what they say into `BENCHMARKS.md` and a plot: `cargo bench --bench report -- write`.
//!
//! Every figure is one that a benchmark prints in its last lines, as `name=value`. Nothing is written where one is missing.
#![allow(missing_docs)]

mod plot;
mod rows;

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write,
    fs, io,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use rows::{Bar, ROWS, Row};

const START: &str = "<!-- what cargo bench --bench report writes starts here -->\n";
const END: &str = "<!-- and ends here -->\n";
const BENCHES: [&str; 6] = ["sign", "layer", "credentials", "streaming", "stack", "scale"];
/// Whose versions the figures depend on.
const PACKAGES: [&str; 9] =
    ["aws-sigv4", "reqsign-aws-v4", "rusty-s3", "sha2", "hmac", "http", "hyper", "hyper-util", "tokio"];

/// The figures by the name of their line and their own, `("post", "ns")`.
pub(crate) type Figures = HashMap<(String, String), f64>;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn output(command: &mut Command) -> Fallible<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("{command:?}: {}", output.status).into())
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments);
    command
}

/// A line of figures: a name, or none, and then `name=value` throughout.
fn read(bench: &str, line: &str, figures: &mut Figures) {
    let mut words = line.split_whitespace().peekable();
    let name = words.next_if(|word| !word.contains('=')).unwrap_or(bench);
    let pairs: Option<Vec<(&str, f64)>> =
        words.map(|word| word.split_once('=').and_then(|(name, value)| Some((name, value.parse().ok()?)))).collect();
    for (figure, value) in pairs.unwrap_or_default() {
        figures.insert((name.to_owned(), figure.to_owned()), value);
    }
}

fn run_benches(figures: &mut Figures) -> Fallible<()> {
    for bench in BENCHES {
        eprintln!("{bench} …");
        let text = output(&mut cargo(&["bench", "--bench", bench, "--", "--quick"]))?;
        text.lines().for_each(|line| read(bench, line, figures));
    }
    Ok(())
}

/// The packages of a tree as `cargo tree` shows them, each once.
fn tree(arguments: &[&str]) -> Fallible<BTreeSet<String>> {
    let mut command = cargo(&["tree", "--prefix", "none", "--no-dedupe"]);
    let tree = output(command.args(arguments))?;
    Ok(tree.lines().map(str::to_owned).collect())
}

/// Crates in a tree, the root included.
fn crates(arguments: &[&str]) -> Fallible<f64> {
    let arguments = [&["--edges", "normal"], arguments].concat();
    Ok(f64::from(u32::try_from(tree(&arguments)?.len())?))
}

/// What a user builds, from clean.
fn build_seconds(manifest: &str) -> Fallible<f64> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clean");
    let remove = || match fs::remove_dir_all(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove()?;
    output(&mut cargo(&["fetch", "--quiet", "--manifest-path", manifest]))?;
    eprintln!("a clean release build of {manifest} …");
    let started = Instant::now();
    let arguments = ["build", "--release", "--lib", "--quiet", "--manifest-path", manifest];
    output(cargo(&arguments).env("CARGO_TARGET_DIR", &target))?;
    let seconds = started.elapsed().as_secs_f64();
    remove()?;
    Ok(seconds)
}

/// A package that has what one takes for the same from AWS's SDK; its manifest.
fn peer() -> Fallible<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peer");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let manifest = folder.join("Cargo.toml");
    let text = "[package]\nname = \"peer\"\nedition = \"2024\"\n[dependencies]\naws-config = \"1\"\naws-sigv4 = \"1\"\n[workspace]\n";
    fs::write(&manifest, text)?;
    Ok(manifest.to_str().ok_or("the target's path is no text")?.to_owned())
}

/// What the figures were measured on and with.
fn circumstances() -> Fallible<String> {
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| field(&text, "model name"));
    let rustc = output(Command::new("rustc").arg("--version"))?;
    let direct = tree(&["--edges", "normal,dev", "--depth", "1"])?;
    let version = |package: &&str| {
        let version = direct.iter().find_map(|line| line.strip_prefix(&format!("{package} v")))?;
        Some(format!("{package} {}", version.split_whitespace().next()?))
    };
    let versions: Vec<String> = PACKAGES.iter().filter_map(version).collect();
    Ok(format!(
        "Measured on {} with {} cores ({}), {}, {}.\n",
        cpu.as_deref().unwrap_or("an unnamed processor"),
        std::thread::available_parallelism()?,
        std::env::consts::OS,
        rustc.trim(),
        versions.join(", "),
    ))
}

fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let digits = text.split('.').next().map_or(0, str::len);
    match digits {
        5.. => format!("{},{}", &text[..digits - 3], &text[digits - 3..]),
        _ => text,
    }
}

fn table(figures: &Figures) -> Fallible<String> {
    let mut table = String::from("| | measured | must | aim |\n|---|---:|---:|---:|\n");
    for Row { what, line, figure, decimals, unit, must, aim } in ROWS {
        let key = ((*line).to_owned(), (*figure).to_owned());
        let value = *figures.get(&key).ok_or_else(|| format!("no benchmark printed {figure} of {line}"))?;
        let missed = must.is_some_and(|must| !must.is_met(value));
        let bar = |bar: &Option<Bar>| bar.map_or(String::new(), |bar| format!("{bar}{unit}"));
        let emphasis = if missed { "**" } else { "" };
        let measured = number(value, *decimals);
        writeln!(table, "| {what} | {emphasis}{measured}{unit}{emphasis} | {} | {} |", bar(must), bar(aim))?;
    }
    Ok(table)
}

fn write(text: &str) -> Fallible<()> {
    let path = "BENCHMARKS.md";
    let file = fs::read_to_string(path)?;
    let parts = file.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or("BENCHMARKS.md has lost the marks around what is written")?;
    fs::write(path, format!("{before}{START}\n{text}\n{END}{after}"))?;
    Ok(())
}

fn main() -> Fallible<()> {
    // `cargo bench` runs this too, and changes no file.
    if !std::env::args().any(|argument| argument == "write") {
        println!("nothing is written: cargo bench --bench report -- write");
        return Ok(());
    }
    let mut figures = Figures::new();
    run_benches(&mut figures)?;
    let mut add = |figure: &str, value| figures.insert(("weight".to_owned(), figure.to_owned()), value);
    add("lean_crates", crates(&["--no-default-features"])?);
    add("default_crates", crates(&[])?);
    add("build_s", build_seconds("Cargo.toml")?);
    let peer = peer()?;
    add("peer_build_s", build_seconds(&peer)?);
    add("peer_crates", crates(&["--manifest-path", &peer])?);
    let table = table(&figures)?;
    fs::write("benchmarks.svg", plot::svg(&figures)?)?;
    write(&format!("{}\n{table}", circumstances()?))?;
    println!("{table}");
    Ok(())
}
