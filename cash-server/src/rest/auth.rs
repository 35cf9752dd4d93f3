//! Who may ask: a user with a session, or with login and password by HTTP Basic; a program with a
//! key; a till with its bearer token; on the socket of this machine, root and the user who runs
//! the server, as the operating system says.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, App, AppError, LetIn, Shown, of_till};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use tillway_proto::TillId;
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::page::{is_of_this_site, session_token};
use tillway_service::people::{KEY_PREFIX, People, PeopleError};
use tillway_service::serving::{Client, Connection, LocalUser, OverTls};
use tillway_service::system_user;

/// Lets only those through who show who they are, and notes who asks. A browser sends what it has
/// of a person along with whatever another site has it send, so what changes something must not
/// come from another site.
pub async fn known_only(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let over_tls = request.extensions().get::<OverTls>().is_some();
    let site = is_of_this_site(headers);
    let Some(shown) = shown(headers, over_tls) else {
        return Problem::from(RequestFault::NoCredentials).into_response();
    };
    // Who has a session is a browser, and says where it comes from.
    let is_trusted = match &shown {
        Shown::Session(_) => site == Some(true),
        _ => site != Some(false),
    };
    if !is_reading(request.method()) && !is_trusted {
        return Problem::from(RequestFault::FromOtherSite).into_response();
    }
    let address = request.extensions().get().map(|Client(address)| *address);
    match let_in(app, shown, Face::Rest, address, true).await {
        Ok(Some(LetIn { must_change: true, caller, .. })) => match People::login_of(&caller) {
            Ok(login) => Problem::from(AppError::from(PeopleError::PasswordFirst { login })).into_response(),
            Err(error) => Problem::from(AppError::from(error)).into_response(),
        },
        Ok(Some(LetIn { caller, .. })) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(None) => Problem::from(RequestFault::NoCredentials).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Whether a request of this method changes nothing.
pub fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What somebody shows to be let in: a header, which a program sends, before a cookie, which a
/// browser sends by itself.
pub fn shown(headers: &HeaderMap, over_tls: bool) -> Option<Shown> {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => bearer(headers)
            .filter(|token| token.starts_with(KEY_PREFIX))
            .map(|token| Shown::Key(token.to_owned()))
            .or_else(|| basic(value.as_bytes())),
        None => session_token(headers, over_tls).map(|token| Shown::Session(token.to_owned())),
    }
}

fn basic(value: &[u8]) -> Option<Shown> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    let text = STANDARD.decode(encoded.trim_ascii()).ok().filter(|_| scheme.eq_ignore_ascii_case(b"basic "))?;
    let text = String::from_utf8(text).ok()?;
    let (login, password) = text.split_once(':')?;
    Some(Shown::Password { login: login.to_owned(), password: password.to_owned() })
}

/// Whom it lets in. `used`: a person asked for something.
pub async fn let_in(
    app: App,
    shown: Shown,
    face: Face,
    address: Option<IpAddr>,
    used: bool,
) -> Result<Option<LetIn>, Problem> {
    blocking(move || app.let_in(&shown, face, address, used)).await
}

/// Lets root, the user who runs this server and its group through, and notes who asks. For
/// requests that came over the socket of this machine.
pub(super) async fn local_administrator_only(mut request: Request, next: Next) -> Response {
    let Some(LocalUser(number)) = request.extensions().get().copied() else {
        return Problem::from(RequestFault::NobodyAsks).into_response();
    };
    let own = system_user::own_number();
    let asked = tokio::task::spawn_blocking(move || {
        let is_own = number == system_user::ROOT || number == own || system_user::is_of_own_group(number);
        (system_user::name_of(number), system_user::name_of(own), is_own)
    });
    let (name, own_name, is_own) = match asked.await {
        Ok(names) => names,
        Err(join) => return Problem::from(RequestFault::from(join)).into_response(),
    };
    if !is_own {
        return Problem::from(RequestFault::OtherUser { user: name, owner: own_name }).into_response();
    }
    let caller = Caller { actor: Actor::SystemUser(name), face: Face::CommandLine, address: None, grant: None };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The till as a caller, where the request carries its token.
pub(super) async fn till(
    app: &App,
    till: &TillId,
    client: Option<Client>,
    connection: Option<Connection>,
    headers: &HeaderMap,
) -> Result<Acting, Problem> {
    let token = bearer(headers).ok_or_else(|| wrong_token(till))?.to_owned();
    let (asking, claimed) = (app.clone(), till.clone());
    if !blocking(move || asking.lets_in(&claimed, &token, connection.as_ref())).await? {
        return Err(wrong_token(till));
    }
    let address = client.map(|Client(address)| address);
    Ok(app.acting_for(Caller { actor: of_till(till), face: Face::Rest, address, grant: None }))
}

/// The use cases as whoever asks has them: [`known_only`] has seen who that is.
impl FromRequestParts<App> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().ok_or(RequestFault::NoCredentials)?;
        Ok(app.acting_for(caller.clone()))
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn wrong_token(till: &TillId) -> Problem {
    RequestFault::WrongToken { till: till.clone() }.into()
}
