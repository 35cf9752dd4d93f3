//! `attach-code …`: codes by which tills are attached. Asked of the running server; where none
//! runs, done on the databases themselves.

use super::CliError;
use super::node::Network;
use super::table::Output;
use crate::rest::attach_codes::{AttachCodeMade, WantedCodes, WantedTill};
use crate::settings::Settings;
use crate::words::FluentValue;
use clap::{Args, Subcommand};
use fs_err as fs;
use serde::Deserialize;
use serde_json::json;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use tillway_proto::NodeCode;

/// Columns of the file with codes.
const COLUMNS: [&str; 6] = ["shop", "till", "name", "id", "code", "ends_at"];

/// What can be done with codes.
#[derive(Debug, Subcommand)]
pub enum AttachCodeCommand {
    /// Make a till and a code for it.
    New {
        /// The till's code.
        code: NodeCode,
        /// The shop: id, or shop-<code>.
        #[arg(long)]
        parent: String,
        /// Its name.
        #[arg(long, default_value = "")]
        name: String,
        /// How long it is good.
        #[command(flatten)]
        life: Life,
    },
    /// Make a code for a till that is there: one that was prepared, or whose machine is replaced.
    /// Its old secret is void once the code is used.
    For {
        /// Id, or till-<shop>-<code>.
        till: String,
        /// How long it is good.
        #[command(flatten)]
        life: Life,
    },
    /// Make codes for the tills of a CSV file (shop,till,name; - for standard input), and the
    /// tills that are not there. Prints the file with codes.
    Csv {
        /// The file. Its first line names the columns; `;` between them will do as well.
        file: PathBuf,
        /// How long it is good.
        #[command(flatten)]
        life: Life,
    },
    /// List them: open ones, and for a month those that were used or have ended.
    Ls,
    /// End the open code of a till.
    End {
        /// Id, or till-<shop>-<code>.
        till: String,
    },
}

/// How long a code is good.
#[derive(Debug, Clone, Copy, Args)]
pub struct Life {
    /// For how many hours it is good [default: 24]
    #[arg(long)]
    hours: Option<u32>,
}

/// A line of the file that names tills.
#[derive(Debug, Deserialize)]
struct Row {
    shop: String,
    till: String,
    #[serde(default)]
    name: String,
}

pub(super) fn attach_code(
    settings: &Settings,
    command: AttachCodeCommand,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    // Before anybody is asked: the file may be wrong.
    let (tills, life, as_csv) = match command {
        AttachCodeCommand::Ls => return list(&Network::find(settings)?, answer),
        AttachCodeCommand::End { till } => return end(&Network::find(settings)?, &till, answer),
        AttachCodeCommand::New { code, parent, name, life } => {
            (vec![WantedTill::InShop { shop: parent, code: code.to_string(), name }], life, false)
        }
        AttachCodeCommand::For { till, life } => (vec![WantedTill::There { till }], life, false),
        AttachCodeCommand::Csv { file, life } => (read(&file)?, life, true),
    };
    let made = Network::find(settings)?.make_codes(WantedCodes { tills, hours: life.hours })?;
    if as_csv && !answer.json {
        return answer.text(&written(&made)?);
    }
    for one in &made {
        let told = [
            ("till", FluentValue::from(one.till.folder.as_str())),
            ("server", FluentValue::from(one.server.as_deref().unwrap_or("…"))),
            ("code", FluentValue::from(one.code.as_str())),
            ("until", FluentValue::from(one.ends_at.as_str())),
        ];
        let told = answer.words.text("cli-attach-code", told);
        // The code stands alone in the first line, for scripts.
        answer.line(&json!(one), &format!("{}\n{told}", one.code))?;
    }
    Ok(())
}

fn list(network: &Network, answer: &mut Output<'_>) -> Result<(), CliError> {
    let columns = [
        ("CODE", "/name"),
        ("TILL", "/till/folder"),
        ("STATE", "/state"),
        ("ENDS", "/ends_at"),
        ("USED", "/used_at"),
        ("BY", "/used_by"),
    ];
    answer.table(&json!(network.codes()?), &columns)
}

fn end(network: &Network, till: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let id = network.show(till)?.id;
    network.end_code(&id)?;
    let told = answer.words.text("cli-attach-code-ended", [("till", id.as_str().into())]);
    answer.line(&json!({"id": id}), &told)
}

fn read(file: &Path) -> Result<Vec<WantedTill>, CliError> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(CliError::CsvFile)?;
    rows(&text)
}

fn rows(text: &str) -> Result<Vec<WantedTill>, CliError> {
    // As tables of other countries write them.
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let between = if first.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(between).trim(csv::Trim::All).from_reader(text.as_bytes());
    let wanted = |row: Result<Row, csv::Error>| {
        let Row { shop, till, name } = row.map_err(CliError::Csv)?;
        // As people call it, or as other commands do.
        let shop = if shop.starts_with("shop-") || shop.starts_with('_') { shop } else { format!("shop-{shop}") };
        Ok(WantedTill::InShop { shop, code: till, name })
    };
    reader.deserialize().map(wanted).collect()
}

fn written(made: &[AttachCodeMade]) -> Result<String, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(CliError::Csv)?;
    for AttachCodeMade { till, code, ends_at, .. } in made {
        // The folder of a till is till-<shop>-<code>.
        let shop = till.folder.strip_prefix("till-").and_then(|rest| rest.strip_suffix(&till.code));
        let shop = shop.and_then(|shop| shop.strip_suffix('-')).unwrap_or_default();
        writer.write_record([shop, &till.code, &till.name, &till.id, code, ends_at]).map_err(CliError::Csv)?;
    }
    let bytes = writer.into_inner().map_err(|error| CliError::Csv(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tills_are_read_from_tables_of_any_country() {
        for text in [
            "shop,till,name\n7,1,\"Till, the first\"\nshop-8,2,\n",
            "\u{feff}shop;till;name\r\n7; 1 ;Till, the first\r\nshop-8;2;\r\n",
        ] {
            let read = json!(rows(text).unwrap());
            let first = json!({"shop": "shop-7", "code": "1", "name": "Till, the first"});
            assert_eq!(read, json!([first, {"shop": "shop-8", "code": "2", "name": ""}]), "{text}");
        }
        assert_eq!(rows("shop,till\n7,1\n").unwrap().len(), 1, "names may be left out");
        assert!(rows("shop\n7\n").is_err());
    }
}
