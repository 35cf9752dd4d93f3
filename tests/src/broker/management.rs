//! The HTTP interface of a private node: virtual hosts, users, queues.

use crate::http;
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashSet;
use tillway_proto::MessageHead;
use tillway_proto::message_code::{CODE_HEADER, PEER_HEADER};
use uuid::Uuid;

/// Why the broker's HTTP interface did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// No answer.
    #[error("no answer from the broker's management interface")]
    Http(#[source] reqwest::Error),
    /// A refusal.
    #[error("the broker's management interface refused {path}: {status} {body}")]
    Refused {
        /// What was asked.
        path: String,
        /// Its status.
        status: u16,
        /// What it says.
        body: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Management {
    client: Client,
    base: String,
    user: String,
    password: String,
}

impl Management {
    pub(super) fn new(port: u16, user: &str, password: &str) -> Result<Self, ManagementError> {
        Ok(Self {
            client: http::client().map_err(ManagementError::Http)?,
            base: format!("http://127.0.0.1:{port}/api"),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// Whether the node has finished starting.
    pub(super) fn is_running(&self) -> Result<bool, ManagementError> {
        let nodes: Value =
            Self::send(self.request(Method::GET, "/nodes"), "/nodes")?.json().map_err(ManagementError::Http)?;
        Ok(nodes.as_array().is_some_and(|nodes| nodes.iter().any(|node| node["running"] == true)))
    }

    pub(super) fn create_virtual_host(&self) -> Result<VirtualHost, ManagementError> {
        let name = format!("bench-{}", Uuid::new_v4().simple());
        let password = Uuid::new_v4().simple().to_string();
        self.put(&format!("/vhosts/{name}"), &json!({}))?;
        self.put(&format!("/users/{name}"), &json!({ "password": password, "tags": "administrator" }))?;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.put(&format!("/permissions/{name}/{name}"), &all)?;
        let tills = format!("{name}-tills");
        let tills_password = Uuid::new_v4().simple().to_string();
        self.put(&format!("/users/{tills}"), &json!({ "password": tills_password, "tags": "" }))?;
        // What README advises for tills: they declare nothing, report to our exchange and read our
        // queues.
        let of_tills = json!({ "configure": "^$", "write": "^tillway$", "read": r"^tillway\." });
        self.put(&format!("/permissions/{name}/{tills}"), &of_tills)?;
        let administrator = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.put(&format!("/permissions/{name}/{}", self.user), &administrator)?;
        Ok(VirtualHost { user: name.clone(), name, password, tills, tills_password, management: self.clone() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).basic_auth(&self.user, Some(&self.password))
    }

    fn put(&self, path: &str, body: &Value) -> Result<(), ManagementError> {
        Self::send(self.request(Method::PUT, path).json(body), path).map(drop)
    }

    fn delete(&self, path: &str) -> Result<(), ManagementError> {
        Self::send(self.request(Method::DELETE, path), path).map(drop)
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ManagementError> {
        Self::send(self.request(Method::GET, path), path)?.json().map_err(ManagementError::Http)
    }

    fn send(request: RequestBuilder, path: &str) -> Result<Response, ManagementError> {
        let response = request.send().map_err(ManagementError::Http)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().unwrap_or_default();
        Err(ManagementError::Refused { path: path.to_owned(), status: status.as_u16(), body })
    }
}

/// A virtual host of the shared node, with a user who may do everything inside, and make users.
#[derive(Debug, Clone)]
pub struct VirtualHost {
    /// Its name.
    pub name: String,
    /// Its user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The user of tills, who may do no more than a till must.
    pub tills: String,
    /// That user's password.
    pub tills_password: String,
    management: Management,
}

impl VirtualHost {
    /// The interface through which the server makes logins of tills.
    pub fn management_url(&self) -> String {
        self.management.base.trim_end_matches("/api").to_owned()
    }

    /// Puts a message into a queue through the default exchange, without a code.
    pub fn publish(&self, queue: &str, message: &str) -> Result<(), ManagementError> {
        self.publish_with(queue, message, &MessageHead::default())
    }

    /// The same, with what goes with the message.
    pub fn publish_with(&self, queue: &str, message: &str, head: &MessageHead) -> Result<(), ManagementError> {
        let headers = [(PEER_HEADER, &head.peer), (CODE_HEADER, &head.code)];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        let headers: serde_json::Map<String, Value> = headers.collect();
        let path = format!("/exchanges/{}/amq.default/publish", self.name);
        let body = json!({
            "properties": { "delivery_mode": 2, "type": head.kind, "message_id": head.id, "headers": headers },
            "routing_key": queue,
            "payload": message,
            "payload_encoding": "string",
        });
        Management::send(self.management.request(Method::POST, &path).json(&body), &path).map(drop)
    }

    /// All users that may do something here.
    pub fn users(&self) -> Result<HashSet<String>, ManagementError> {
        let rights: Vec<Value> = self.management.read(&format!("/vhosts/{}/permissions", self.name))?;
        Ok(rights.iter().filter_map(|of| of["user"].as_str().map(str::to_owned)).collect())
    }

    /// Removes a user of the node.
    pub fn delete_user(&self, name: &str) -> Result<(), ManagementError> {
        self.management.delete(&format!("/users/{name}"))
    }

    /// Takes up to `count` messages out of a queue.
    pub fn take(&self, queue: &str, count: u32) -> Result<Vec<String>, ManagementError> {
        let path = format!("/queues/{}/{queue}/get", self.name);
        let body = json!({ "count": count, "ackmode": "ack_requeue_false", "encoding": "auto" });
        let response = Management::send(self.management.request(Method::POST, &path).json(&body), &path)?;
        let messages: Vec<Value> = response.json().map_err(ManagementError::Http)?;
        Ok(messages.iter().filter_map(|message| message["payload"].as_str().map(str::to_owned)).collect())
    }

    /// Names of all queues.
    pub fn queues(&self) -> Result<Vec<String>, ManagementError> {
        let path = format!("/queues/{}", self.name);
        let response = Management::send(self.management.request(Method::GET, &path), &path)?;
        let queues: Vec<Value> = response.json().map_err(ManagementError::Http)?;
        Ok(queues.iter().filter_map(|queue| queue["name"].as_str().map(str::to_owned)).collect())
    }

    /// All connections of clients. The broker counts them once a second.
    pub fn connections(&self) -> Result<Vec<ClientConnection>, ManagementError> {
        let path = format!("/vhosts/{}/connections", self.name);
        let found: Vec<Value> = self.management.read(&path)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let connection = |found: &Value| ClientConnection {
            name: text(&found["name"]),
            // Some are listed before they have told who they are.
            client: text(&found["client_properties"]["connection_name"]),
        };
        Ok(found.iter().map(connection).collect())
    }

    /// Closes a connection, as an operator does.
    pub fn close_connection(&self, connection: &ClientConnection) -> Result<(), ManagementError> {
        let path = format!("/connections/{}", connection.name.replace(' ', "%20").replace('>', "%3E"));
        self.management.delete(&path)
    }

    /// Removes a queue with all that is in it.
    pub fn delete_queue(&self, queue: &str) -> Result<(), ManagementError> {
        self.management.delete(&format!("/queues/{}/{queue}", self.name))
    }

    /// Drops what waits in a queue; what was handed to a consumer stays there.
    pub fn purge(&self, queue: &str) -> Result<(), ManagementError> {
        self.management.delete(&format!("/queues/{}/{queue}/contents", self.name))
    }

    /// Makes a durable queue with these arguments: not those that the server wants, for instance.
    pub fn declare_queue(&self, queue: &str, arguments: &Value) -> Result<(), ManagementError> {
        let body = json!({ "durable": true, "auto_delete": false, "arguments": arguments });
        self.management.put(&format!("/queues/{}/{queue}", self.name), &body)
    }

    /// What the broker says of a queue; none where there is none.
    pub fn queue(&self, queue: &str) -> Result<Option<Value>, ManagementError> {
        match self.management.read(&format!("/queues/{}/{queue}", self.name)) {
            Ok(found) => Ok(Some(found)),
            Err(ManagementError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A connection as the broker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConnection {
    /// The broker's name of it.
    pub name: String,
    /// What the client calls itself: a till's id, `tillway cash-server: publishing`.
    pub client: String,
}
