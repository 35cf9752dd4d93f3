//! The settings that attach a till, as a type: what the server tells a peer that is attached, and
//! the `cash.ini` of a till that has none, written by serde_ini. An existing file is edited by
//! lines (ADR 0008).
//!
//! What serde_ini 0.2 cannot write is kept out: no field is a boolean (it fails on them), none is
//! an option that is empty (such a key is left out), and no value holds a control character
//! ([`CashIniError::Control`]), since the format has no escapes.

use serde::{Deserialize, Serialize, Serializer};

/// Why there is no file.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CashIniError {
    /// A value would break its line.
    #[error("{key} of the till's cash.ini holds a control character: correct the server's settings")]
    #[serde(rename = "control-in-cash-ini")]
    Control {
        /// The key.
        key: String,
    },
    /// A value is of a type that the format does not have.
    #[error("failed to write the till's cash.ini")]
    #[serde(rename = "cash-ini-not-written")]
    Write {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_text")]
        source: serde_ini::ser::Error,
    },
}

fn as_text<S: Serializer>(error: &serde_ini::ser::Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// The file: one section.
#[derive(Debug, Serialize)]
pub struct CashIni {
    /// The section.
    #[serde(rename = "Properties")]
    pub properties: Properties,
}

/// The keys, in the order in which a person reads them. The server pushes the last six later, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Properties {
    /// Which till it is.
    #[serde(rename = "cash.code")]
    pub till: String,
    /// In which shop.
    #[serde(rename = "storeid", default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// Its secret; empty: a place for it.
    #[serde(rename = "cash.secret")]
    pub secret: String,
    /// Host of the broker.
    #[serde(rename = "dept.broker.ip")]
    pub broker_host: String,
    /// Port of the broker.
    #[serde(rename = "dept.broker.port")]
    pub broker_port: u16,
    /// `True`: TLS with the broker; none: without.
    #[serde(rename = "dept.broker.tls", default, skip_serializing_if = "Option::is_none")]
    pub broker_tls: Option<String>,
    /// Virtual host of the broker.
    #[serde(rename = "dept.broker.vhost")]
    pub broker_vhost: String,
    /// User at the broker; none: the id of the till.
    #[serde(rename = "dept.broker.user", default, skip_serializing_if = "Option::is_none")]
    pub broker_user: Option<String>,
    /// How often the link to the broker is looked at, in seconds.
    #[serde(rename = "brokerconnectionheartbeat")]
    pub heartbeat_s: u16,
    /// Port of REST.
    #[serde(rename = "cashserverrestport")]
    pub rest_port: u16,
    /// Host of packages.
    #[serde(rename = "dicturlhostcs")]
    pub packages_host: String,
    /// Port of packages.
    #[serde(rename = "dicturlportcs")]
    pub packages_port: u16,
    /// Host of the sales-loader.
    #[serde(rename = "grpchostcs")]
    pub sales_host: String,
    /// Port of the sales-loader.
    #[serde(rename = "grpcportcs")]
    pub sales_port: u16,
    /// Host of REST.
    #[serde(rename = "httphostcs")]
    pub rest_host: String,
}

impl CashIni {
    /// The text of the file.
    pub fn to_text(&self) -> Result<String, CashIniError> {
        let Properties { till, shop, secret, broker_host, broker_vhost, broker_user, .. } = &self.properties;
        let Properties { packages_host, sales_host, rest_host, .. } = &self.properties;
        let texts = [
            ("cash.code", Some(till)),
            ("storeid", shop.as_ref()),
            ("cash.secret", Some(secret)),
            ("dept.broker.ip", Some(broker_host)),
            ("dept.broker.vhost", Some(broker_vhost)),
            ("dept.broker.user", broker_user.as_ref()),
            ("dicturlhostcs", Some(packages_host)),
            ("grpchostcs", Some(sales_host)),
            ("httphostcs", Some(rest_host)),
        ];
        let breaks = |text: &String| text.chars().any(char::is_control);
        if let Some((key, _)) = texts.iter().find(|(_, text)| text.is_some_and(breaks)) {
            return Err(CashIniError::Control { key: (*key).to_owned() });
        }
        let text = serde_ini::to_string(self).map_err(|source| CashIniError::Write { source })?;
        // The library ends lines as Windows does; the till's tools read lines of the till's own
        // system.
        Ok(text.replace("\r\n", "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> CashIni {
        CashIni {
            properties: Properties {
                till: "_cash_1_00ab34ef".to_owned(),
                shop: Some("_shop_7_0011aabb".to_owned()),
                secret: "tws1_secret".to_owned(),
                broker_host: "10.0.0.5".to_owned(),
                broker_port: 5672,
                broker_tls: None,
                broker_vhost: "/".to_owned(),
                broker_user: Some("tills".to_owned()),
                heartbeat_s: 30,
                rest_port: 8080,
                packages_host: "cdn".to_owned(),
                packages_port: 80,
                sales_host: "10.0.0.5".to_owned(),
                sales_port: 10_001,
                rest_host: "10.0.0.5".to_owned(),
            },
        }
    }

    #[test]
    fn the_written_file_stays() {
        let golden = include_str!("cash_ini/golden.ini");
        assert_eq!(file().to_text().unwrap(), golden);
    }

    #[test]
    fn keys_without_a_value_are_left_out_and_a_value_that_breaks_its_line_is_named() {
        let mut file = file();
        (file.properties.shop, file.properties.broker_user) = (None, None);
        let text = file.to_text().unwrap();
        assert!(!text.contains("storeid") && !text.contains("dept.broker.user"), "{text}");
        file.properties.broker_vhost = "a\ncash.code=_cash_2_00000000".to_owned();
        let error = file.to_text().unwrap_err().to_string();
        assert!(error.contains("dept.broker.vhost"), "{error}");
    }
}
