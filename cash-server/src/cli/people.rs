//! `user …` and `key …`: who may come in on the page and over REST. Asked of the running server.

use super::CliError;
use super::client::{Client, escaped};
use super::report::{self, MailArgs};
use super::table::Output;
use crate::rest::people::{GivenPassword, KeyMade, LinkView, NewKey, NewUser, UserAdded, UserChange, UserView};
use crate::settings::Settings;
use crate::words::FluentValue;
use clap::Subcommand;
use fs_err as fs;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List them.
    #[command(visible_alias = "list")]
    Ls,
    /// Add one, who sets a password by the link that is printed: it is shown only now.
    Add {
        /// What they come in as.
        login: String,
        /// What they are called.
        #[arg(long, default_value = "")]
        name: String,
        /// What they may: viewer, operator, administrator or auditor.
        #[arg(long, default_value = "viewer")]
        role: String,
        /// Where: All, group-<code>, shop-<code>, or an id.
        #[arg(long)]
        place: Option<String>,
        /// A file with their first password in its first line, which they have to change; then
        /// there is no link.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// A new password: prints a link by which its user sets one. The password of before and all
    /// sessions end at once. This is also how the first administrator comes in, and one who forgot
    /// the password.
    #[command(visible_alias = "link")]
    Password {
        /// The login.
        login: String,
        /// A file with the new password in its first line, which its user has to change; then
        /// there is no link.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give them another role, at once.
    Role {
        /// The login.
        login: String,
        /// What they may: viewer, operator, administrator or auditor.
        role: String,
        /// Where: All, group-<code>, shop-<code>, or an id.
        #[arg(long)]
        place: Option<String>,
    },
    /// Where they are written to, in which language, and of what: the daily report, and what is
    /// told at once.
    Mail(MailArgs),
    /// They do not come in any more, and their sessions end at once.
    Disable {
        /// The login.
        login: String,
    },
    /// They come in again.
    Enable {
        /// The login.
        login: String,
    },
    /// Remove one for good.
    Remove {
        /// The login.
        login: String,
    },
}

/// What can be done with keys of programs.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List them.
    #[command(visible_alias = "list")]
    Ls,
    /// Make one; it is printed, only now. The program sends it: `Authorization: Bearer twk_…`.
    Add {
        /// What it is called: the program, or what it is for.
        name: String,
        /// For how many days it is good [default: 365]
        #[arg(long)]
        days: Option<u32>,
        /// What it may: viewer, operator, administrator or auditor.
        #[arg(long, default_value = "viewer")]
        role: String,
        /// Where: All, group-<code>, shop-<code>, or an id.
        #[arg(long)]
        place: Option<String>,
    },
    /// Remove one: it is good no more.
    Remove {
        /// Its name.
        name: String,
    },
}

pub(super) fn user(settings: &Settings, command: UserCommand, answer: &mut Output<'_>) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let of = |login: &str, what: &str| format!("/api/v1/users/{}{what}", escaped(login));
    match command {
        UserCommand::Ls => {
            let users: Value = client.read("/api/v1/users").map_err(CliError::Client)?;
            let columns = [
                ("LOGIN", "/login"),
                ("NAME", "/name"),
                ("ROLE", "/role"),
                ("PLACE", "/place"),
                ("STATE", "/state"),
                ("LAST LOGIN", "/last_login"),
                ("MAIL", "/mail/address"),
                ("LINK ENDS", "/link_ends_at"),
            ];
            answer.table(&users, &columns)
        }
        UserCommand::Add { login, name, role, place, password_file } => {
            let password = password_file.as_deref().map(first_line).transpose()?;
            let new = NewUser { login, name, role: Some(role), place, password };
            let added: UserAdded = client.post("/api/v1/users", &new).map_err(CliError::Client)?;
            if let Some(link) = &added.link {
                return tell_link(&added.user.login, link, &json!(added), answer);
            }
            let told = answer.words.text("cli-user-added", [("login", added.user.login.as_str().into())]);
            answer.line(&json!(added), &told)
        }
        UserCommand::Password { login, password_file: None } => {
            let made = client.ask(Method::POST, &of(&login, "/link"), None::<&Value>);
            let link: LinkView = made.map_err(CliError::Client)?;
            tell_link(&login, &link, &json!(link), answer)
        }
        UserCommand::Password { login, password_file: Some(file) } => {
            let given = GivenPassword { password: first_line(&file)? };
            let done = client.ask::<Value>(Method::PUT, &of(&login, "/password"), Some(&given));
            done.map_err(CliError::Client)?;
            let told = answer.words.text("cli-password-set", [("login", login.as_str().into())]);
            answer.line(&json!({"login": login}), &told)
        }
        UserCommand::Role { login, role, place } => {
            let change = UserChange { name: None, disabled: None, role: Some(role), place };
            let set = client.ask(Method::PATCH, &of(&login, ""), Some(&change));
            let user: UserView = set.map_err(CliError::Client)?;
            let told = [
                ("login", FluentValue::from(user.login.as_str())),
                ("role", FluentValue::from(user.role.as_str())),
                ("place", FluentValue::from(user.place.as_str())),
            ];
            let told = answer.words.text("cli-user-role", told);
            answer.line(&json!(user), &told)
        }
        UserCommand::Mail(asked) => report::mail(settings, asked, answer),
        UserCommand::Disable { login } => {
            let user = set_disabled(&client, &of(&login, ""), true)?;
            let told = answer.words.text("cli-user-disabled", [("login", user.login.as_str().into())]);
            answer.line(&json!(user), &told)
        }
        UserCommand::Enable { login } => {
            let user = set_disabled(&client, &of(&login, ""), false)?;
            let told = answer.words.text("cli-user-enabled", [("login", user.login.as_str().into())]);
            answer.line(&json!(user), &told)
        }
        UserCommand::Remove { login } => {
            client.ask::<Value>(Method::DELETE, &of(&login, ""), None::<&Value>).map_err(CliError::Client)?;
            let told = answer.words.text("cli-user-removed", [("login", login.as_str().into())]);
            answer.line(&json!({"login": login}), &told)
        }
    }
}

pub(super) fn key(settings: &Settings, command: KeyCommand, answer: &mut Output<'_>) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    match command {
        KeyCommand::Ls => {
            let keys: Value = client.read("/api/v1/keys").map_err(CliError::Client)?;
            let columns = [
                ("NAME", "/name"),
                ("ROLE", "/role"),
                ("PLACE", "/place"),
                ("MADE BY", "/made_by"),
                ("ENDS", "/ends_at"),
                ("USED", "/used_at"),
            ];
            answer.table(&keys, &columns)
        }
        KeyCommand::Add { name, days, role, place } => {
            let made: KeyMade = client
                .post("/api/v1/keys", &NewKey { name, days, role: Some(role), place })
                .map_err(CliError::Client)?;
            let told = [
                ("name", FluentValue::from(made.key.name.as_str())),
                ("until", FluentValue::from(made.key.ends_at.as_str())),
            ];
            let told = answer.words.text("cli-key-made", told);
            // The key stands alone in the first line, for scripts.
            answer.line(&json!(made), &format!("{}\n{told}", made.token))
        }
        KeyCommand::Remove { name } => {
            let path = format!("/api/v1/keys/{}", escaped(&name));
            client.ask::<Value>(Method::DELETE, &path, None::<&Value>).map_err(CliError::Client)?;
            let told = answer.words.text("cli-key-removed", [("name", name.as_str().into())]);
            answer.line(&json!({"name": name}), &told)
        }
    }
}

fn set_disabled(client: &Client, path: &str, disabled: bool) -> Result<UserView, CliError> {
    let change = UserChange { name: None, disabled: Some(disabled), role: None, place: None };
    client.ask(Method::PATCH, path, Some(&change)).map_err(CliError::Client)
}

fn tell_link(login: &str, link: &LinkView, json: &Value, answer: &mut Output<'_>) -> Result<(), CliError> {
    let told = [
        ("login", FluentValue::from(login)),
        ("until", FluentValue::from(link.ends_at.as_str())),
        ("url", FluentValue::from(link.url.as_str())),
    ];
    let told = answer.words.text("cli-user-link", told);
    answer.line(json, &told)
}

fn first_line(file: &Path) -> Result<String, CliError> {
    let text = fs::read_to_string(file).map_err(CliError::PasswordFile)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
