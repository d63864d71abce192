//! The HTTP API: leads, events, scores, log-in, health, and the pages that describe them.
//!
//! Owns: routes, authentication, the shapes of requests and answers, problems. Invariants: every answer of 400 or
//! above is `application/problem+json`; no input makes it panic; nothing derived is written, only events are
//! appended. Deliberately absent: SQL, features, the pipeline, listening on a socket, reading the clock.

mod audit;
mod auth;
mod client;
mod coding;
mod conditional;
mod connectors;
mod edge;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod graphql;
mod idempotency;
mod json;
mod messages;
mod middleware;
mod openapi;
pub mod problem;
mod query;
mod rate;
mod rest;
mod schema;
pub mod socket;
mod state;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, header},
    middleware::{from_fn, from_fn_with_state},
    response::{Html, Redirect},
    routing::get,
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    auth::permissions::{GRAPHQL, Permissions},
    state::Api,
};
pub use crate::{
    auth::provider,
    client::{ClientAddress, Encrypted, ForwardedHeader, Proxies},
    connectors::{CONNECTORS_MAX, Connectors},
    edge::{Edge, RequestRates},
    state::{AccessOptions, AppState, Limits, Metrics},
};

/// The whole API as a service.
///
/// Whoever serves it puts `ConnectInfo<SocketAddr>` and [`Encrypted`] into each request's extensions, so that clients
/// are known.
pub fn router(state: AppState) -> Router {
    let api = Arc::new(Api::from(state));
    let (routes, permissions, document) = endpoints(&api);
    let pages = pages(document.into()).route_layer(from_fn_with_state(Arc::clone(&api), rate::admit_address));
    let graphql = graphql::routes(&api, permissions);
    surround(routes.merge(pages).merge(socket::routes()).merge(graphql).merge(connectors::routes()), api)
}

/// What a process answers that does not serve the API: whether it lives and is ready, and its metrics.
pub fn health_router(state: AppState) -> Router {
    let api = Arc::new(Api::from(state));
    let (routes, _) = rest::health().route_layer(from_fn(middleware::refuse_query)).split_for_parts();
    surround(routes, api)
}

/// Puts around all routes what every request meets.
fn surround(routes: Routes, api: Arc<Api>) -> Router {
    let routes = routes
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(DefaultBodyLimit::max(api.limits.body_max_bytes))
        .layer(edge::compression());
    let routes = match edge::cross_origin(&api.edge.origins) {
        Some(layer) => routes.layer(layer),
        None => routes,
    };
    routes.layer(from_fn_with_state(Arc::clone(&api), middleware::observe)).with_state(api)
}

/// The GraphQL schema, as `docs/schema.graphql` has it.
#[must_use]
pub fn graphql_sdl() -> String {
    graphql::sdl()
}

/// The OpenAPI document, as `/openapi.json` answers it.
#[must_use]
pub fn openapi_json() -> String {
    describe(rest::guarded(), rest::open().merge(rest::health())).1
}

type Routes = Router<Arc<Api>>;

fn endpoints(api: &Arc<Api>) -> (Routes, Arc<Permissions>, String) {
    let guarded = rest::guarded();
    let permissions = Permissions::of(guarded.get_openapi()).with(Method::POST, graphql::PATH, GRAPHQL);
    let permissions = Arc::new(permissions);
    let guard = from_fn_with_state((Arc::clone(api), Arc::clone(&permissions)), auth::bearer::require);
    let guarded = guarded.route_layer(guard);
    let open = rest::open().route_layer(from_fn(middleware::refuse_query));
    let open = open.route_layer(from_fn_with_state(Arc::clone(api), rate::admit_address));
    let (routes, document) =
        describe(guarded, open.merge(rest::health().route_layer(from_fn(middleware::refuse_query))));
    (routes, permissions, document)
}

fn describe(guarded: OpenApiRouter<Arc<Api>>, open: OpenApiRouter<Arc<Api>>) -> (Routes, String) {
    let needs_token = guarded.get_openapi().clone();
    let all = OpenApiRouter::with_openapi(openapi::base()).merge(guarded).merge(open);
    let (routes, mut document) = all.split_for_parts();
    openapi::complete(&mut document, &needs_token);
    let json = document.to_pretty_json().expect("an OpenAPI document is plain data with string keys");
    (routes, format!("{json}\n"))
}

/// Pages for people, and the document for programs.
fn pages(document: Arc<str>) -> Routes {
    let json = move || {
        let document = Arc::clone(&document);
        async move { ([(header::CONTENT_TYPE, "application/json")], document.to_string()) }
    };
    // The page reads the document that is served beside it; "none" keeps it from asking an online validator.
    let config = utoipa_swagger_ui::Config::from("/openapi.json").validator_url("none");
    Routes::from(SwaggerUi::new("/docs").config(config))
        .route(problem::ERRORS_PATH, get(|| async { Html(problem::errors_html()) }))
        .route_layer(from_fn(middleware::docs_policy))
        .route("/openapi.json", get(json))
        .route("/", get(|| async { Redirect::to("/docs/") }))
}
