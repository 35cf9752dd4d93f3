//! One thing done with many tills: what it would do with each, and what it did.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, AppError, BulkAct, BulkAsked, BulkDone, BulkOutcome, Choice, Forecast};
use crate::words::{self, Language, Reason, Words};
use axum::Json;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is to be done, and with which tills.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BulkBody {
    /// `park`, `unpark`, `ask` (for sales that are missing here), `ask-days`, `recount`,
    /// `send-anew`, `move`, `settings`, `codes`.
    pub act: String,
    /// Ids or folder names, `till-<shop>-<code>`; at most 2,000.
    pub tills: Vec<String>,
    /// All tills at this node and below it, beside those that are named.
    pub below: Option<String>,
    /// Of those below only what is so: `silent`, `behind`, … as a till's `condition`.
    pub condition: Option<String>,
    /// Of those below only those with this version of the agent.
    pub version: Option<String>,
    /// Only tell what would become of each.
    pub dry_run: bool,
    /// `ask-days`: the first day, `YYYY-MM-DD`.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    /// `ask-days`: the last day; left out: the first.
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
    /// `move`: id or folder name of the shop.
    pub shop: String,
    /// `settings`: by key of `cash.ini`; null: none of its own any more.
    pub settings: BTreeMap<String, Option<String>>,
    /// `codes`: for how many hours they are good; by default 24, at most 336.
    pub hours: Option<u32>,
}

/// A till, and what would become or became of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BulkTill {
    /// As it was named; one that was found below a node by its folder name.
    pub till: String,
    /// Before: `does`, `same` (is so already), `waits` (for the till), `fails`. After: `done`,
    /// `same`, `under-way` (the same order was on its way), `failed`.
    pub result: String,
    /// Why it fails.
    pub problem: Option<String>,
    /// `codes`: the code. Shown this once; the server does not keep it.
    pub code: Option<String>,
    /// `codes`: until when it is good, UTC.
    pub ends_at: Option<String>,
}

/// Does one thing with many tills: those that are named, and those below a node. What fails for
/// one does not stop the others; what fails for all is the answer. With `dry_run` nothing is done.
#[utoipa::path(post, path = "/api/v1/tills/bulk", tag = "tills", security(("administrator" = [])),
    request_body = BulkBody,
    responses((status = 200, body = Vec<BulkTill>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn act(
    app: Acting,
    language: Language,
    Json(body): Json<BulkBody>,
) -> Result<Json<Vec<BulkTill>>, Problem> {
    let BulkBody { act, tills, below, condition, version, dry_run, from, to, shop, settings, hours } = body;
    let word = act.clone();
    let act = BulkAct::of(BulkAsked { act, from, to, shop, settings, hours });
    let act = act.ok_or(RequestFault::NoBulkAct { act: word })?;
    let choice = Choice { tills, below, condition, version };
    let words = words::of(language);
    let told = blocking(move || {
        let chosen = app.choose(choice)?;
        if dry_run { foretold(&app, &act, &chosen, words) } else { done(app.bulk(&act, chosen)?, words) }
    });
    told.await.map(Json)
}

fn foretold(app: &Acting, act: &BulkAct, chosen: &[String], words: &Words) -> Result<Vec<BulkTill>, AppError> {
    let forecasts = app.forecast_named(act, chosen)?;
    let one = |(till, forecast): (&String, Forecast)| {
        let (result, problem) = match forecast {
            Forecast::Does => ("does", None),
            Forecast::AlreadySo => ("same", None),
            Forecast::Waits => ("waits", None),
            Forecast::Fails(error) => ("fails", Some(words.reason(&Reason::of(&error)))),
        };
        BulkTill { till: till.clone(), result: result.to_owned(), problem, code: None, ends_at: None }
    };
    Ok(chosen.iter().zip(forecasts).map(one).collect())
}

fn done(mut done: Vec<BulkDone>, words: &Words) -> Result<Vec<BulkTill>, AppError> {
    if done.iter().all(|one| one.outcome.is_err())
        && let Some(BulkDone { outcome: Err(error), .. }) = done.pop()
    {
        return Err(error);
    }
    let one = |BulkDone { till, outcome, code }: BulkDone| {
        let (result, problem) = match outcome {
            Ok(BulkOutcome::Done) => ("done", None),
            Ok(BulkOutcome::AlreadySo) => ("same", None),
            Ok(BulkOutcome::UnderWay) => ("under-way", None),
            Err(error) => ("failed", Some(words.reason(&Reason::of(&error)))),
        };
        let ends_at = code.as_ref().map(|code| code.ends_at.to_string());
        let code = code.map(|code| code.code.to_string());
        BulkTill { till, result: result.to_owned(), problem, code, ends_at }
    };
    Ok(done.into_iter().map(one).collect())
}
