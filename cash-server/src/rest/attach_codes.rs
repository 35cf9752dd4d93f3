//! Codes by which tills are attached.

use super::nodes::NodeView;
use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, CodeInfo, NewCode, Wanted};
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tillway_proto::NodeCode;
use utoipa::ToSchema;

/// Which codes are asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WantedCodes {
    /// For whom, at most 2,000.
    pub tills: Vec<WantedTill>,
    /// For how many hours they are good; by default 24, at most 336.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// Whom a code is for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum WantedTill {
    /// A till that is there: one that was prepared, or whose machine is replaced.
    There {
        /// Id, or folder name: `till-7-1`.
        till: String,
    },
    /// A till of a shop, which is made where it is not there.
    InShop {
        /// Id, or folder name: `shop-7`.
        shop: String,
        /// The till's code.
        code: String,
        /// Its name, where it is made.
        #[serde(default)]
        name: String,
    },
}

/// A code that was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AttachCodeMade {
    /// The till.
    pub till: NodeView,
    /// The code. Shown this once; the server does not keep it.
    pub code: String,
    /// Until when it is good, UTC.
    pub ends_at: String,
    /// Where the till finds this server, `<host>:<port>`; none where no address is known.
    pub server: Option<String>,
}

impl From<NewCode> for AttachCodeMade {
    fn from(new: NewCode) -> Self {
        let NewCode { till, code, ends_at, server } = new;
        Self { till: till.into(), code: code.to_string(), ends_at: ends_at.to_string(), server }
    }
}

/// A code that is kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AttachCodeView {
    /// Its first four letters and digits.
    pub name: String,
    /// The till; none where it was removed.
    pub till: Option<NodeView>,
    /// `open`, `used` or `ended`.
    pub state: String,
    /// When it was made, UTC.
    pub made_at: String,
    /// Until when it is good, UTC.
    pub ends_at: String,
    /// When it was used, UTC.
    pub used_at: Option<String>,
    /// The address from which it was used.
    pub used_by: Option<String>,
}

impl From<CodeInfo> for AttachCodeView {
    fn from(info: CodeInfo) -> Self {
        let CodeInfo { kept, till } = info;
        let state = if kept.used.is_some() {
            "used"
        } else if kept.is_open(Timestamp::now()) {
            "open"
        } else {
            "ended"
        };
        Self {
            name: kept.name.to_string(),
            till: till.map(Into::into),
            state: state.to_owned(),
            made_at: kept.made_at.to_string(),
            ends_at: kept.ends_at.to_string(),
            used_at: kept.used.as_ref().map(|used| used.at.to_string()),
            used_by: kept.used.and_then(|used| used.by).map(|by| by.to_string()),
        }
    }
}

/// A till as a use case takes it.
pub fn wanted(till: WantedTill) -> Result<Wanted, RequestFault> {
    Ok(match till {
        WantedTill::There { till } => Wanted::Till(till),
        WantedTill::InShop { shop, code, name } => {
            let code: NodeCode = code.parse().map_err(|_| RequestFault::NoCode { text: code.clone() })?;
            Wanted::InShop { shop, code, name }
        }
    })
}

/// All codes that are kept, the newest first: open ones, and for a month those that were used or
/// have ended.
#[utoipa::path(get, path = "/api/v1/attach-codes", tag = "network", security(("administrator" = [])),
    responses((status = 200, body = Vec<AttachCodeView>), (status = 401, body = Problem)))]
pub(super) async fn list(app: Acting) -> Result<Json<Vec<AttachCodeView>>, Problem> {
    let codes = blocking(move || app.nodes().codes()).await?;
    Ok(Json(codes.into_iter().map(Into::into).collect()))
}

/// Makes a code for each of these tills, and the tills that are not there. A code is good once;
/// open ones of before of the same tills end. The codes are in the answer, this once.
#[utoipa::path(post, path = "/api/v1/attach-codes", tag = "network", security(("administrator" = [])),
    request_body = WantedCodes,
    responses((status = 201, body = Vec<AttachCodeMade>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn make(
    app: Acting,
    Json(asked): Json<WantedCodes>,
) -> Result<(StatusCode, Json<Vec<AttachCodeMade>>), Problem> {
    let life = asked.hours.map(|hours| SignedDuration::from_hours(hours.into()));
    let tills = asked.tills.into_iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    let made = blocking(move || app.nodes().make_codes(&tills, life)).await?;
    Ok((StatusCode::CREATED, Json(made.into_iter().map(Into::into).collect())))
}

/// Ends the open code of a till. Nothing happens where it has none.
#[utoipa::path(delete, path = "/api/v1/tills/{id}/attach-code", tag = "network", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn end(app: Acting, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || app.nodes().end_code(&id)).await.map(|_| StatusCode::NO_CONTENT)
}
