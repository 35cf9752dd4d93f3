//! Who may ask: the administrator with Basic credentials, a till with its bearer token; on the
//! socket of this machine, root and the user who runs the server, as the operating system says.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, App, of_till};
use crate::settings::credentials::Credentials;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tillway_proto::TillId;
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::page::is_of_this_site;
use tillway_service::serving::{Client, Connection, LocalUser};
use tillway_service::system_user;

/// Who is the administrator, and at which face.
#[derive(Clone)]
pub struct Administrator {
    /// What shows it.
    pub credentials: Arc<Credentials>,
    /// What is guarded.
    pub face: Face,
}

/// Lets only the administrator through, and notes who asks. A browser sends credentials along with
/// whatever another site has it send, so what changes something must not come from another site.
pub async fn administrator_only(State(admin): State<Administrator>, mut request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && is_of_this_site(request.headers()) == Some(false) {
        return Problem::from(RequestFault::FromOtherSite).into_response();
    }
    let shown = request.headers().get(header::AUTHORIZATION);
    if !shown.is_some_and(|value| admin.credentials.accepts(value.as_bytes())) {
        return Problem::from(RequestFault::NoCredentials).into_response();
    }
    let actor = Actor::Login(admin.credentials.user.clone());
    let address = request.extensions().get().map(|Client(address)| *address);
    request.extensions_mut().insert(Caller { actor, face: admin.face, address });
    next.run(request).await
}

/// Lets root and the user who runs this server through, and notes who asks. For requests that came
/// over the socket of this machine.
pub(super) async fn local_administrator_only(mut request: Request, next: Next) -> Response {
    let Some(LocalUser(number)) = request.extensions().get().copied() else {
        return Problem::from(RequestFault::NobodyAsks).into_response();
    };
    let own = system_user::own_number();
    let names = tokio::task::spawn_blocking(move || (system_user::name_of(number), system_user::name_of(own)));
    let (name, own_name) = match names.await {
        Ok(names) => names,
        Err(join) => return Problem::from(RequestFault::from(join)).into_response(),
    };
    if number != system_user::ROOT && number != own {
        return Problem::from(RequestFault::OtherUser { user: name, owner: own_name }).into_response();
    }
    let caller = Caller { actor: Actor::SystemUser(name), face: Face::CommandLine, address: None };
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
    Ok(app.acting_for(Caller { actor: of_till(till), face: Face::Rest, address }))
}

/// The use cases as the administrator has them: [`administrator_only`] has seen who that is.
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
