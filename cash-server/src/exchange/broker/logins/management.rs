//! The broker's management interface (RabbitMQ's HTTP API, plugin `rabbitmq_management`): what
//! [`super::Logins`] needs of it.

use crate::peer_keys::ALGORITHM;
use crate::settings::BrokerSettings;
use crate::words::as_said;
use fs_err as fs;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For one call: the import of hundreds of logins takes seconds on a busy broker.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Of what the broker says about a refusal.
const MAX_SAID_CHARS: usize = 300;

/// Why the management interface did not do what was asked.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ManagementError {
    /// The file with the password.
    #[error("failed to read the broker's password")]
    #[serde(rename = "broker-management-password-unread")]
    Password {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// No answer, or none that reads.
    #[error("no answer from the broker's management interface at {url}: is the plugin rabbitmq_management enabled?")]
    #[serde(rename = "broker-management-silent")]
    Silent {
        /// Where.
        url: String,
        /// What the client says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: reqwest::Error,
    },
    /// The password is wrong.
    #[error("the broker's management interface does not take the password of user {user} in {file}")]
    #[serde(rename = "broker-management-refuses-password")]
    RefusesPassword {
        /// Who.
        user: String,
        /// The file that has it; empty: there is none.
        file: String,
    },
    /// The user of the server is not the administrator there.
    #[error(
        "the broker's management interface refuses user {user}: \
         `rabbitmqctl set_user_tags {user} administrator` lets it make logins of tills"
    )]
    #[serde(rename = "broker-management-refuses-user")]
    RefusesUser {
        /// Who.
        user: String,
    },
    /// Another refusal.
    #[error("the broker's management interface refuses {path} with {status}: {said}")]
    #[serde(rename = "broker-management-refuses")]
    Refuses {
        /// What was asked.
        path: String,
        /// Its status.
        status: u16,
        /// What it says.
        said: String,
    },
}

/// A user, as the interface tells of it and takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password_hash: String,
    #[serde(default)]
    hashing_algorithm: String,
    #[serde(default, deserialize_with = "tags")]
    tags: Vec<String>,
}

impl User {
    /// One with a mark.
    pub(super) fn new(name: String, password_hash: String, mark: String) -> Self {
        Self { name, password_hash, hashing_algorithm: ALGORITHM.to_owned(), tags: vec![mark] }
    }

    pub(super) fn has(&self, mark: &str) -> bool {
        self.tags.iter().any(|tag| tag == mark)
    }
}

/// Older brokers tell one text with commas, newer ones a list.
fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tags {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Tags::deserialize(deserializer)? {
        Tags::List(list) => list,
        Tags::Text(text) => text.split(',').map(|tag| tag.trim().to_owned()).collect(),
    })
}

/// What a user may do in a virtual host: regular expressions over names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Permission {
    pub(super) user: String,
    pub(super) vhost: String,
    pub(super) configure: String,
    pub(super) write: String,
    pub(super) read: String,
}

#[derive(Debug)]
pub(super) struct Management {
    client: Client,
    base: Url,
    vhost: String,
    user: String,
    password_file: Option<PathBuf>,
}

impl Management {
    pub(super) fn new(settings: &BrokerSettings) -> Option<Self> {
        let base = settings.management_url.clone()?;
        let client = crate::http_client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tillway-cash-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .inspect_err(|error| tracing::error!(%error, "no client for the broker's management interface"))
            .ok()?;
        Some(Self {
            client,
            base,
            vhost: settings.vhost.clone(),
            user: settings.user.clone(),
            password_file: settings.password_file.clone(),
        })
    }

    pub(super) fn vhost(&self) -> &str {
        &self.vhost
    }

    /// All users of the broker.
    pub(super) async fn users(&self) -> Result<Vec<User>, ManagementError> {
        self.read(&["users"]).await
    }

    /// What users may do in our virtual host.
    pub(super) async fn permissions(&self) -> Result<Vec<Permission>, ManagementError> {
        self.read(&["vhosts", &self.vhost, "permissions"]).await
    }

    /// Makes users and rights, or makes those that are there so.
    pub(super) async fn import(&self, users: &[User], rights: &[&Permission]) -> Result<(), ManagementError> {
        let body = json!({ "users": users, "permissions": rights });
        self.send(&["definitions"], self.request(Method::POST, &["definitions"])?.json(&body)).await.map(drop)
    }

    /// Removes a user; one that is not there is as good.
    pub(super) async fn remove_user(&self, name: &str) -> Result<(), ManagementError> {
        self.delete(&["users", name]).await
    }

    /// Ends all connections of a user.
    pub(super) async fn disconnect(&self, name: &str) -> Result<(), ManagementError> {
        self.delete(&["connections", "username", name]).await
    }

    async fn delete(&self, path: &[&str]) -> Result<(), ManagementError> {
        match self.send(path, self.request(Method::DELETE, path)?).await {
            Err(ManagementError::Refuses { status: 404, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    async fn read<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ManagementError> {
        self.send(path, self.request(Method::GET, path)?).await?.json().await.map_err(|source| self.silent(source))
    }

    /// The parts of a path may hold any character.
    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, ManagementError> {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("api").extend(path);
        }
        let password = match &self.password_file {
            None => String::new(),
            Some(file) => {
                let text = fs::read_to_string(file).map_err(|source| ManagementError::Password { source })?;
                text.lines().next().unwrap_or_default().trim_end().to_owned()
            }
        };
        Ok(self.client.request(method, url).basic_auth(&self.user, Some(password)))
    }

    async fn send(&self, path: &[&str], request: RequestBuilder) -> Result<Response, ManagementError> {
        let response = request.send().await.map_err(|source| self.silent(source))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => {
                let said: String = response.text().await.unwrap_or_default().chars().take(MAX_SAID_CHARS).collect();
                let user = self.user.clone();
                Err(match status {
                    // So it says of a wrong password; of one who is no administrator else.
                    StatusCode::UNAUTHORIZED if said.contains("Login failed") => {
                        let file = self.password_file.as_ref().map(|file| file.display().to_string());
                        ManagementError::RefusesPassword { user, file: file.unwrap_or_default() }
                    }
                    StatusCode::UNAUTHORIZED => ManagementError::RefusesUser { user },
                    status => ManagementError::Refuses { path: path.join("/"), status: status.as_u16(), said },
                })
            }
        }
    }

    fn silent(&self, source: reqwest::Error) -> ManagementError {
        ManagementError::Silent { url: self.base.to_string(), source: source.without_url() }
    }
}
