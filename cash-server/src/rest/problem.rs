//! What a caller gets in place of an answer: problem details as RFC 9457 has them, with what to do
//! about it.

use crate::app::{AppError, AttachError};
use crate::dictionary::DictionaryError;
use crate::error_chain;
use crate::exchange::ExchangeError;
use crate::intake::UploadError;
use crate::network::NetworkError;
use crate::words::{self, Language, Reason, in_english};
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use tillway_proto::TillId;
use tillway_service::people::PeopleError;
use tokio::task::JoinError;
use utoipa::ToSchema;

/// Problem details (RFC 9457), media type `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// The status code again.
    pub status: u16,
    /// The sort of problem, as HTTP calls it.
    pub title: String,
    /// What happened, to which node or unit, and what to do, in the language asked for.
    pub detail: String,
    /// The word for it.
    pub kind: String,
    /// What it is made of.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
}

/// Why a request cannot be answered, where no use case says so.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RequestFault {
    /// Nobody says who asks, or with a wrong password.
    NoCredentials,
    /// Another site had a browser send it.
    FromOtherSite,
    /// On the socket of this machine: not known who asks.
    NobodyAsks,
    /// On the socket of this machine: another user than root and the server's own.
    OtherUser {
        /// Who asks.
        user: String,
        /// Who runs the server.
        owner: String,
    },
    /// A till with a wrong token.
    WrongToken {
        /// The till.
        till: TillId,
    },
    /// A package without a till's token, or with one that is nobody's.
    PackageNeedsToken,
    /// A package by a link that was made for another till, another package, or not here.
    PackageOfAnother,
    /// A package by a link that has ended, or for a till that is parked.
    LinkOver,
    /// What should name a till does not.
    NoTillId {
        /// What was named.
        text: String,
    },
    /// A random text that is longer than any that a till makes.
    LongNonce {
        /// The longest.
        max: usize,
    },
    /// What should name a level does not.
    NoLevel {
        /// What was named.
        text: String,
    },
    /// What should be a code is none.
    NoCode {
        /// What was named.
        text: String,
    },
    /// What should name a verdict does not.
    NoVerdict {
        /// What was named.
        text: String,
    },
    /// There are no totals by this.
    NoTotalsBy {
        /// What was named.
        text: String,
    },
    /// What receipts or sales are looked for by does not read.
    NoSuchFilter {
        /// The parameter.
        filter: &'static str,
        /// Its value.
        text: String,
    },
    /// There is no such thing to do with many tills, or what it needs is not said.
    NoBulkAct {
        /// What was named.
        act: String,
    },
    /// No notices are named.
    NamesNoNotices,
    /// No units are named, or too many.
    NamesNoUnits {
        /// The most that can be named.
        max: usize,
    },
    /// A text that names nothing that can be set aside.
    NamesNothingAside {
        /// The text.
        text: String,
    },
    /// A text that is no level of a log.
    NoLogLevel,
    /// Times that do not go together.
    SinceOrDays,
    /// From another machine, without TLS, on a port that is not open for that.
    OnlyTls {
        /// The setting that would open it.
        setting: &'static str,
    },
    /// The work was cut off: a defect, or the end of the server.
    CutOff {
        /// What is known of it.
        detail: String,
    },
}

impl RequestFault {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoCredentials | Self::NobodyAsks | Self::WrongToken { .. } | Self::PackageNeedsToken => {
                StatusCode::UNAUTHORIZED
            }
            Self::FromOtherSite | Self::OtherUser { .. } | Self::PackageOfAnother => StatusCode::FORBIDDEN,
            Self::LinkOver => StatusCode::GONE,
            Self::CutOff { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::OnlyTls { .. } => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<JoinError> for RequestFault {
    fn from(join: JoinError) -> Self {
        let detail = join.to_string();
        tracing::error!(error = detail, "failed to answer a request");
        Self::CutOff { detail }
    }
}

impl From<RequestFault> for Problem {
    fn from(fault: RequestFault) -> Self {
        Self::new(fault.status(), &Reason::of(&fault))
    }
}

impl Problem {
    fn new(status: StatusCode, reason: &Reason) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        let (kind, parameters) = (reason.kind().to_owned(), reason.parameters().clone());
        Self { status: status.as_u16(), title, detail: in_english(reason), kind, parameters }
    }

    fn in_language(self, language: Language) -> Self {
        let reason = Reason::new(self.kind.clone(), self.parameters.clone());
        Self { detail: words::of(language).reason(&reason), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Tillway\", charset=\"UTF-8\""),
            );
        }
        // How long a client is asked to wait.
        let wait = self.parameters.get("seconds").and_then(Value::as_u64);
        if let Some(seconds) = wait.filter(|_| status == StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Words problems in the language that a request asks for; a layer around all that answers with
/// them.
pub(crate) async fn in_readers_language(language: Language, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) if language != Language::English => problem.in_language(language).into_response(),
        _ => response,
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let status = match &error {
            AppError::Denied(_) => StatusCode::FORBIDDEN,
            AppError::NoTill { .. }
            | AppError::OnlyTillsPark { .. }
            | AppError::NoShop { .. }
            | AppError::NoPlace { .. }
            | AppError::NoRole { .. }
            | AppError::NoLanguage { .. }
            | AppError::NoAlert { .. }
            | AppError::CodesAtOnce { .. }
            | AppError::NoCondition { .. }
            | AppError::TooManyItems { .. }
            | AppError::TillsAtOnce { .. } => StatusCode::BAD_REQUEST,
            AppError::UnknownKind { .. }
            | AppError::UnknownLoad { .. }
            | AppError::UnknownGood { .. }
            | AppError::UnknownChange { .. }
            | AppError::NoOpenFinding { .. }
            | AppError::NoReceipt { .. }
            | AppError::Dictionary(DictionaryError::UnknownNode { .. }) => StatusCode::NOT_FOUND,
            AppError::NoMailServer | AppError::NoMailOf { .. } => StatusCode::CONFLICT,
            AppError::LoadFileNotKept { .. } => StatusCode::GONE,
            AppError::DownloadsBusy => StatusCode::SERVICE_UNAVAILABLE,
            AppError::Network(error) => of_network(error),
            AppError::Exchange(error) => of_exchange(error),
            AppError::People(error) => of_people(error),
            AppError::Upload(error) => of_upload(error),
            AppError::Aside(error) if error.is_gone() => StatusCode::NOT_FOUND,
            AppError::Aside(error) if error.is_conflict() => StatusCode::CONFLICT,
            AppError::Aside(_)
            | AppError::Backup(_)
            | AppError::Dictionary(_)
            | AppError::CashIni(_)
            | AppError::PeerKey { .. }
            | AppError::LoadFileUnreadable { .. }
            | AppError::Row { .. }
            | AppError::Payload { .. }
            | AppError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = error_chain(&error), "failed to answer a request");
        }
        Self::new(status, &Reason::of(&error))
    }
}

impl From<AttachError> for Problem {
    fn from(error: AttachError) -> Self {
        let status = match &error {
            AttachError::NeedsTls => StatusCode::UPGRADE_REQUIRED,
            AttachError::Versions { .. } | AttachError::OtherTill { .. } => StatusCode::CONFLICT,
            AttachError::SlowDown { .. } => StatusCode::TOO_MANY_REQUESTS,
            AttachError::WrongProof => StatusCode::FORBIDDEN,
            AttachError::Code(_) | AttachError::TillGone => StatusCode::GONE,
            AttachError::Password { .. } => {
                tracing::error!(error = error_chain(&error), "failed to attach a till");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            AttachError::App(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match error {
            AttachError::App(error) => error.into(),
            error => Self::new(status, &Reason::of(&error)),
        }
    }
}

fn of_network(error: &NetworkError) -> StatusCode {
    match error {
        NetworkError::UnknownNode { .. } => StatusCode::NOT_FOUND,
        NetworkError::Name { .. }
        | NetworkError::Code { .. }
        | NetworkError::CodeLife { .. }
        | NetworkError::UnknownSetting { .. }
        | NetworkError::SettingNoFlag { .. }
        | NetworkError::SettingNoNumber { .. } => StatusCode::BAD_REQUEST,
        NetworkError::Level { .. }
        | NetworkError::Loop { .. }
        | NetworkError::CodeTaken { .. }
        | NetworkError::CodeAlike { .. }
        | NetworkError::HasChildren { .. }
        | NetworkError::ChainStays { .. }
        | NetworkError::TooManyCodes { .. }
        | NetworkError::CodeUsedNow => StatusCode::CONFLICT,
        NetworkError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        NetworkError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_exchange(error: &ExchangeError) -> StatusCode {
    match error {
        ExchangeError::UnknownTill { .. } => StatusCode::NOT_FOUND,
        ExchangeError::NotClaimed { .. } | ExchangeError::NoDictionary { .. } | ExchangeError::TooFar { .. } => {
            StatusCode::CONFLICT
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_upload(error: &UploadError) -> StatusCode {
    match error {
        UploadError::UploadsBusy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        UploadError::UploadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        UploadError::UploadEmpty | UploadError::UploadCutOff => StatusCode::BAD_REQUEST,
        UploadError::UploadEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        UploadError::NoRoom(_) => StatusCode::INSUFFICIENT_STORAGE,
        UploadError::UploadNotKept { .. } | UploadError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_people(error: &PeopleError) -> StatusCode {
    match error {
        PeopleError::WrongPassword | PeopleError::KeyEnded { .. } => StatusCode::UNAUTHORIZED,
        PeopleError::LoginSlowDown { .. } => StatusCode::TOO_MANY_REQUESTS,
        PeopleError::LoginBusy => StatusCode::SERVICE_UNAVAILABLE,
        PeopleError::LoginDisabled { .. } | PeopleError::PasswordFirst { .. } | PeopleError::OnlyUsers => {
            StatusCode::FORBIDDEN
        }
        PeopleError::NoLogin { .. }
        | PeopleError::NoMailAddress { .. }
        | PeopleError::PasswordShort { .. }
        | PeopleError::PasswordLong { .. }
        | PeopleError::PasswordPlain
        | PeopleError::PasswordSame
        | PeopleError::NoKeyName { .. }
        | PeopleError::NoViewName { .. }
        | PeopleError::NoViewAddress { .. }
        | PeopleError::KeyDays { .. } => StatusCode::BAD_REQUEST,
        PeopleError::UnknownUser { .. }
        | PeopleError::UnknownKey { .. }
        | PeopleError::UnknownSession
        | PeopleError::UnknownView { .. } => StatusCode::NOT_FOUND,
        PeopleError::UserThere { .. }
        | PeopleError::LastUser { .. }
        | PeopleError::TooManyUsers { .. }
        | PeopleError::KeyThere { .. }
        | PeopleError::TooManyKeys { .. }
        | PeopleError::TooManyViews { .. } => StatusCode::CONFLICT,
        PeopleError::LinkGone => StatusCode::GONE,
        PeopleError::PasswordNotHashed { .. } | PeopleError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status with which a page says why something was not done.
pub fn status_of(error: &AppError) -> StatusCode {
    match error {
        AppError::People(error) => of_people(error),
        AppError::Denied(_) => StatusCode::FORBIDDEN,
        AppError::NoLanguage { .. } | AppError::NoAlert { .. } => StatusCode::BAD_REQUEST,
        AppError::LoadFileNotKept { .. } => StatusCode::GONE,
        _ => StatusCode::CONFLICT,
    }
}

/// Runs a use case off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(join) => Err(RequestFault::from(join).into()),
    }
}
