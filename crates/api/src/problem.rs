//! Everything that the API says when it cannot do what was asked: RFC 9457, `application/problem+json`.
//!
//! Owns: the stable codes, their statuses, and the page that explains them. Invariant: no answer of 400 or above
//! leaves in another shape, and none tells what broke inside. Deliberately absent: logging.

use std::{borrow::Cow, fmt::Write as _};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leadscore_domain::{Invalid, Obstacle};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, in a word that never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The body is not JSON.
    MalformedJson,
    /// The body could not be read to its end.
    UnreadableBody,
    /// The query string has a parameter that the endpoint does not know.
    UnknownQueryParameter,
    /// A query parameter is of another form than the endpoint takes.
    InvalidQueryParameter,
    /// The id in the path is not a UUID.
    InvalidLeadId,
    /// The `Idempotency-Key` is none.
    InvalidIdempotencyKey,
    /// The text is no GraphQL, or does not fit the schema.
    InvalidQuery,
    /// The GraphQL asks for too much at once.
    QueryTooComplex,
    /// No token, or one that is not valid.
    Unauthenticated,
    /// E-mail address and password do not belong together.
    WrongPassword,
    /// The refresh token is none, or its session has ended.
    SessionOver,
    /// An identity provider vouches for somebody who is no user here.
    UnknownUser,
    /// The role may not do this.
    Forbidden,
    /// The web page is of an origin that may not open sockets.
    OriginNotAllowed,
    /// The person has not allowed profiling.
    ProfilingConsentMissing,
    /// Processing of the lead's data is restricted.
    ProcessingRestricted,
    /// The person objects to profiling.
    ProfilingObjected,
    /// No such address.
    NotFound,
    /// No such lead.
    LeadNotFound,
    /// No such model version.
    ModelNotFound,
    /// No such job.
    JobNotFound,
    /// No such API key.
    ApiKeyNotFound,
    /// The token has no session to end.
    NoSession,
    /// No such user.
    UserNotFound,
    /// No such team.
    TeamNotFound,
    /// A colleague's lead has one of these handles.
    LeadTaken,
    /// There is one with this address or name already.
    AlreadyExists,
    /// Nobody would be left who may do everything.
    LastAdmin,
    /// No such webhook.
    WebhookNotFound,
    /// No such message of the webhook.
    WebhookMessageNotFound,
    /// No such connector.
    ConnectorNotFound,
    /// A delivery is not shown to be from whom it says.
    DeliveryUnproven,
    /// A delivery is not what its vendor sends.
    MalformedDelivery,
    /// No such privacy request.
    PrivacyRequestNotFound,
    /// No override of the lead's score is in force.
    OverrideNotFound,
    /// The user has no such session.
    SessionNotFound,
    /// The lead had no score then.
    ScoreNotFound,
    /// The job stands where this cannot be done.
    JobConflict,
    /// The privacy request stands where this cannot be done.
    PrivacyRequestConflict,
    /// The export is no longer kept.
    ExportExpired,
    /// The address exists, but not with this method.
    MethodNotAllowed,
    /// The body came too slowly.
    BodyTimeout,
    /// The lead exists and is not scored yet.
    ScorePending,
    /// The same request is being answered.
    RequestRunning,
    /// What is to be changed is not as the sender knows it.
    PreconditionFailed,
    /// The body is too long.
    BodyTooLarge,
    /// The address is too long.
    UriTooLong,
    /// The header fields are too large.
    HeadersTooLarge,
    /// The body is not announced as JSON.
    UnsupportedMediaType,
    /// A field is missing, unknown, of the wrong type or out of range.
    InvalidField,
    /// Another request was sent under the same `Idempotency-Key`.
    IdempotencyKeyReused,
    /// Too many log-in attempts.
    TooManyAttempts,
    /// Too many events.
    TooFast,
    /// Too many requests.
    TooManyRequests,
    /// Too many live connections.
    TooManyConnections,
    /// The address takes WebSockets only.
    UpgradeRequired,
    /// A defect of the server.
    Internal,
    /// The answer took too long.
    TimedOut,
    /// The store cannot be read or written at present.
    Unavailable,
    /// The server is starting, behind or broken.
    NotReady,
}

impl Code {
    /// Every code, in the order of the page.
    pub const ALL: [Self; 60] = [
        Self::MalformedJson,
        Self::UnreadableBody,
        Self::UnknownQueryParameter,
        Self::InvalidQueryParameter,
        Self::InvalidLeadId,
        Self::InvalidIdempotencyKey,
        Self::InvalidQuery,
        Self::QueryTooComplex,
        Self::MalformedDelivery,
        Self::Unauthenticated,
        Self::WrongPassword,
        Self::SessionOver,
        Self::DeliveryUnproven,
        Self::UnknownUser,
        Self::Forbidden,
        Self::OriginNotAllowed,
        Self::ProfilingConsentMissing,
        Self::ProcessingRestricted,
        Self::ProfilingObjected,
        Self::NotFound,
        Self::LeadNotFound,
        Self::ModelNotFound,
        Self::JobNotFound,
        Self::ApiKeyNotFound,
        Self::UserNotFound,
        Self::TeamNotFound,
        Self::WebhookNotFound,
        Self::WebhookMessageNotFound,
        Self::ConnectorNotFound,
        Self::PrivacyRequestNotFound,
        Self::OverrideNotFound,
        Self::SessionNotFound,
        Self::ScoreNotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::ScorePending,
        Self::NoSession,
        Self::JobConflict,
        Self::PrivacyRequestConflict,
        Self::ExportExpired,
        Self::RequestRunning,
        Self::LeadTaken,
        Self::AlreadyExists,
        Self::LastAdmin,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidField,
        Self::IdempotencyKeyReused,
        Self::UpgradeRequired,
        Self::TooManyAttempts,
        Self::TooFast,
        Self::TooManyRequests,
        Self::TooManyConnections,
        Self::Internal,
        Self::TimedOut,
        Self::Unavailable,
        Self::NotReady,
    ];

    /// The word used in JSON, in the address of the explanation and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed-json",
            Self::UnreadableBody => "unreadable-body",
            Self::UnknownQueryParameter => "unknown-query-parameter",
            Self::InvalidQueryParameter => "invalid-query-parameter",
            Self::InvalidLeadId => "invalid-lead-id",
            Self::InvalidIdempotencyKey => "invalid-idempotency-key",
            Self::InvalidQuery => "invalid-query",
            Self::QueryTooComplex => "query-too-complex",
            Self::Unauthenticated => "unauthenticated",
            Self::WrongPassword => "wrong-password",
            Self::SessionOver => "session-over",
            Self::UnknownUser => "unknown-user",
            Self::Forbidden => "forbidden",
            Self::OriginNotAllowed => "origin-not-allowed",
            Self::ProfilingConsentMissing => "profiling-consent-missing",
            Self::ProcessingRestricted => "processing-restricted",
            Self::ProfilingObjected => "profiling-objected",
            Self::NotFound => "not-found",
            Self::LeadNotFound => "lead-not-found",
            Self::ModelNotFound => "model-not-found",
            Self::JobNotFound => "job-not-found",
            Self::ApiKeyNotFound => "api-key-not-found",
            Self::NoSession => "no-session",
            Self::UserNotFound => "user-not-found",
            Self::TeamNotFound => "team-not-found",
            Self::LeadTaken => "lead-taken",
            Self::AlreadyExists => "already-exists",
            Self::LastAdmin => "last-admin",
            Self::WebhookNotFound => "webhook-not-found",
            Self::WebhookMessageNotFound => "webhook-message-not-found",
            Self::ConnectorNotFound => "connector-not-found",
            Self::DeliveryUnproven => "delivery-unproven",
            Self::MalformedDelivery => "malformed-delivery",
            Self::PrivacyRequestNotFound => "privacy-request-not-found",
            Self::OverrideNotFound => "override-not-found",
            Self::SessionNotFound => "session-not-found",
            Self::ScoreNotFound => "score-not-found",
            Self::JobConflict => "job-conflict",
            Self::PrivacyRequestConflict => "privacy-request-conflict",
            Self::ExportExpired => "export-expired",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::BodyTimeout => "body-timeout",
            Self::ScorePending => "score-pending",
            Self::RequestRunning => "request-running",
            Self::PreconditionFailed => "precondition-failed",
            Self::BodyTooLarge => "body-too-large",
            Self::UriTooLong => "uri-too-long",
            Self::HeadersTooLarge => "headers-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::InvalidField => "invalid-field",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::TooManyAttempts => "too-many-attempts",
            Self::TooFast => "too-fast",
            Self::TooManyRequests => "too-many-requests",
            Self::TooManyConnections => "too-many-connections",
            Self::UpgradeRequired => "upgrade-required",
            Self::Internal => "internal",
            Self::TimedOut => "timed-out",
            Self::Unavailable => "unavailable",
            Self::NotReady => "not-ready",
        }
    }

    /// The status that goes with the code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson
            | Self::UnreadableBody
            | Self::UnknownQueryParameter
            | Self::InvalidQueryParameter
            | Self::InvalidLeadId
            | Self::InvalidIdempotencyKey
            | Self::InvalidQuery
            | Self::QueryTooComplex
            | Self::MalformedDelivery => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::WrongPassword | Self::SessionOver | Self::DeliveryUnproven => {
                StatusCode::UNAUTHORIZED
            }
            Self::UnknownUser
            | Self::Forbidden
            | Self::OriginNotAllowed
            | Self::ProfilingConsentMissing
            | Self::ProcessingRestricted
            | Self::ProfilingObjected => StatusCode::FORBIDDEN,
            Self::NotFound
            | Self::LeadNotFound
            | Self::ModelNotFound
            | Self::JobNotFound
            | Self::ApiKeyNotFound
            | Self::UserNotFound
            | Self::TeamNotFound
            | Self::WebhookNotFound
            | Self::WebhookMessageNotFound
            | Self::ConnectorNotFound
            | Self::PrivacyRequestNotFound
            | Self::OverrideNotFound
            | Self::SessionNotFound
            | Self::ScoreNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ScorePending
            | Self::NoSession
            | Self::JobConflict
            | Self::PrivacyRequestConflict
            | Self::RequestRunning
            | Self::LeadTaken
            | Self::AlreadyExists
            | Self::LastAdmin => StatusCode::CONFLICT,
            Self::ExportExpired => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidField | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::TooManyAttempts | Self::TooFast | Self::TooManyRequests | Self::TooManyConnections => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TimedOut | Self::Unavailable | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// One line for a person.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedJson => "The body is not valid JSON",
            Self::UnreadableBody => "The body could not be read",
            Self::UnknownQueryParameter => "The query has an unknown parameter",
            Self::InvalidQueryParameter => "A query parameter is not valid",
            Self::InvalidLeadId => "The lead id is not a UUID",
            Self::InvalidIdempotencyKey => "The Idempotency-Key is not valid",
            Self::InvalidQuery => "The GraphQL is not valid",
            Self::QueryTooComplex => "The GraphQL asks for too much at once",
            Self::Unauthenticated => "A valid token is needed",
            Self::WrongPassword => "E-mail address or password is wrong",
            Self::SessionOver => "The session is over",
            Self::UnknownUser => "The provider's user is none here",
            Self::Forbidden => "The role does not allow this",
            Self::OriginNotAllowed => "The web page may not open sockets",
            Self::ProfilingConsentMissing => "The lead has not allowed profiling",
            Self::ProcessingRestricted => "The lead's data may not be used",
            Self::ProfilingObjected => "The lead objects to profiling",
            Self::NotFound => "There is nothing at this address",
            Self::LeadNotFound => "There is no such lead",
            Self::ModelNotFound => "There is no such model version",
            Self::JobNotFound => "There is no such job",
            Self::ApiKeyNotFound => "There is no such API key",
            Self::NoSession => "The token has no session",
            Self::UserNotFound => "There is no such user",
            Self::TeamNotFound => "There is no such team",
            Self::LeadTaken => "A colleague's lead has one of these handles",
            Self::AlreadyExists => "It exists already",
            Self::LastAdmin => "Nobody would be left who may do everything",
            Self::WebhookNotFound => "There is no such webhook",
            Self::WebhookMessageNotFound => "The webhook has no such message",
            Self::ConnectorNotFound => "There is no such connector",
            Self::DeliveryUnproven => "The delivery is not shown to be from its vendor",
            Self::MalformedDelivery => "The delivery is not what its vendor sends",
            Self::PrivacyRequestNotFound => "There is no such privacy request",
            Self::OverrideNotFound => "The score is not overridden",
            Self::SessionNotFound => "There is no such session",
            Self::ScoreNotFound => "The lead had no such score",
            Self::JobConflict => "The job stands where this cannot be done",
            Self::PrivacyRequestConflict => "The privacy request stands where this cannot be done",
            Self::ExportExpired => "The export is no longer kept",
            Self::MethodNotAllowed => "The address does not take this method",
            Self::BodyTimeout => "The body came too slowly",
            Self::ScorePending => "The lead is not scored yet",
            Self::RequestRunning => "The same request is being answered",
            Self::PreconditionFailed => "It has changed since you read it",
            Self::BodyTooLarge => "The body is too large",
            Self::UriTooLong => "The address is too long",
            Self::HeadersTooLarge => "The header fields are too large",
            Self::UnsupportedMediaType => "The body must be JSON",
            Self::InvalidField => "A field is not valid",
            Self::IdempotencyKeyReused => "The Idempotency-Key belongs to another request",
            Self::TooManyAttempts => "Too many attempts",
            Self::TooFast => "Too many events",
            Self::TooManyRequests => "Too many requests",
            Self::TooManyConnections => "Too many connections",
            Self::UpgradeRequired => "The address takes WebSockets only",
            Self::Internal => "The server made a mistake",
            Self::TimedOut => "The answer took too long",
            Self::Unavailable => "The store is not available",
            Self::NotReady => "The server is not ready",
        }
    }

    /// What the sender can do, where the problem itself does not say better.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::MalformedJson => "Correct the text at the line and column that the problem names.",
            Self::UnreadableBody => "Send the request again; check the connection and the transfer encoding.",
            Self::UnknownQueryParameter => "Leave the parameter out: the endpoint takes none of this name.",
            Self::InvalidQueryParameter => "Correct the parameter that the problem names.",
            Self::InvalidLeadId => "Use the id that the server gave, such as 0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e.",
            Self::InvalidIdempotencyKey => "Send one key of 1 to 255 visible ASCII characters, such as a UUID.",
            Self::InvalidQuery => "Correct the GraphQL where the error points; docs/schema.graphql has what there is.",
            Self::QueryTooComplex => "Ask for fewer fields or shorter lists, or send several requests.",
            Self::Unauthenticated => {
                "Send `Authorization: Bearer <token>` with an API key, or with a token from POST /api/v1/login."
            }
            Self::WrongPassword => "Check both; an administrator can set a new password.",
            Self::SessionOver => "Log in again with POST /api/v1/login.",
            Self::UnknownUser => "Have an administrator make a user with the address that the provider names.",
            Self::Forbidden => "Ask somebody who has the role that the detail names, or use a token of that role.",
            Self::OriginNotAllowed => "Serve the page from the server's host, or name it in `server.allowed_origins`.",
            Self::ProfilingConsentMissing => {
                "Post a `consent` event with purpose `profiling`, state `granted`, the legal basis and the evidence."
            }
            Self::ProcessingRestricted => "Lift the restriction by a privacy request, or wait until it is lifted.",
            Self::ProfilingObjected => {
                "Only the person ends it: record their consent to profiling, or that they no longer object."
            }
            Self::ConnectorNotFound => "Use a `source` of the file that `connectors.file` names.",
            Self::DeliveryUnproven => "Compare secrets, clocks, and `connectors.public_url` with the address called.",
            Self::MalformedDelivery => "Point the vendor's webhook at the connector of its own kind.",
            Self::PrivacyRequestNotFound => "Use an id from GET /api/v1/privacy-requests.",
            Self::OverrideNotFound => "See GET /api/v1/leads/{lead_id}/overrides for those that ended.",
            Self::SessionNotFound => "Use an id from GET /api/v1/me/sessions.",
            Self::ScoreNotFound => "See GET /api/v1/leads/{lead_id}/scores for the instants of its scores.",
            Self::PrivacyRequestConflict => "See its kind and status: they say which steps are left.",
            Self::ExportExpired => "Open another request for access.",
            Self::NotFound => "See /docs for the addresses.",
            Self::LeadNotFound => "Create the lead with POST /api/v1/leads, or check the id.",
            Self::ModelNotFound => "Name one of the versions in the detail, or leave `model_version` out.",
            Self::JobNotFound => "Use an id from GET /api/v1/jobs.",
            Self::ApiKeyNotFound => "Use an id from GET /api/v1/api-keys.",
            Self::NoSession => "Log in as a person; revoke an API key with DELETE /api/v1/api-keys/{key_id}.",
            Self::UserNotFound => "Use an id from GET /api/v1/users.",
            Self::TeamNotFound => "Use an id from GET /api/v1/teams.",
            Self::LeadTaken => "Ask your manager whose lead it is.",
            Self::AlreadyExists => "Change the one that is there, or choose another address or name.",
            Self::LastAdmin => "Make somebody else an administrator first.",
            Self::WebhookNotFound => "Use an id from GET /api/v1/webhooks.",
            Self::WebhookMessageNotFound => "Use a `message_id` from the webhook's deliveries.",
            Self::JobConflict => {
                "See the job's state: only what waits or runs is cancelled, only what failed or was cancelled resumed."
            }
            Self::MethodNotAllowed => "Use a method that the `Allow` header names.",
            Self::BodyTimeout => "Send the body without pauses, or in smaller parts.",
            Self::RequestRunning => "Send it again after the seconds in `Retry-After` for the first one's answer.",
            Self::PreconditionFailed => "Read it again, and send the change with the `ETag` of that answer.",
            Self::ScorePending => "Ask again after the seconds in `Retry-After`.",
            Self::BodyTooLarge => "Send less at once: split a list into several requests.",
            Self::UriTooLong => "Send less in the address: leave out parameters that are not needed.",
            Self::HeadersTooLarge => "Send fewer or shorter header fields.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            Self::InvalidField => "Correct the field that the problem names.",
            Self::IdempotencyKeyReused => "Take a new key for a new request; repeat one with the very same body.",
            Self::TooManyAttempts | Self::TooFast | Self::TooManyRequests => "Wait for the seconds in `Retry-After`.",
            Self::TooManyConnections => "Close one of the connections, or wait for the seconds in `Retry-After`.",
            Self::UpgradeRequired => "Open the address with a WebSocket client (RFC 6455, version 13).",
            Self::Internal => "Send the request again; report the `X-Request-Id` of this answer if it stays.",
            Self::TimedOut | Self::Unavailable => "Send the request again after the seconds in `Retry-After`.",
            Self::NotReady => "Wait; the detail says for what.",
        }
    }

    /// Where the code is explained, as a reference relative to the server.
    fn reference(self) -> String {
        format!("{ERRORS_PATH}#{}", self.as_str())
    }
}

/// Where the codes are explained.
pub const ERRORS_PATH: &str = "/docs/errors";
/// Media type of every problem (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Longest detail and field, in characters: they may quote what was sent.
const DETAIL_MAX_CHARS: usize = 400;

/// A problem on its way to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    field: Option<String>,
    remedy: Option<String>,
    /// Boxed, as it is rare: a problem is the other half of most answers.
    position: Option<Box<(usize, usize)>>,
    retry_after_s: Option<u64>,
    challenge: Option<&'static str>,
}

/// The members of a problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained, relative to the server.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#invalid-field")]
    kind: String,
    /// One line for a person.
    #[schema(example = "A field is not valid")]
    title: &'static str,
    /// The status of the answer.
    #[schema(example = 422)]
    status: u16,
    /// The stable word for a program.
    #[schema(example = "invalid-field")]
    code: &'static str,
    /// What was wrong this time.
    #[schema(example = "is out of range")]
    detail: String,
    /// Path of the field in the body, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "data.turns[0].sentiment", nullable = false)]
    field: Option<String>,
    /// What the sender can do.
    #[schema(example = "send a number from -1 to 1")]
    remedy: String,
    /// Line of the body, from 1, where the text itself is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    line: Option<usize>,
    /// Column of the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    column: Option<usize>,
}

impl Problem {
    /// A problem; `detail` says what was wrong this time.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            remedy: None,
            position: None,
            retry_after_s: None,
            challenge: None,
        }
    }

    /// Names the field, as a path from the body.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says what to do better than the code does.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Names line and column of the body, both from 1.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.position = Some(Box::new((line, column)));
        self
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Says what is wrong with the token, in a word of RFC 6750.
    #[must_use]
    pub const fn challenge(mut self, error: &'static str) -> Self {
        self.challenge = Some(error);
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The field, where there is one.
    #[must_use]
    pub fn named_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// After how many seconds it may be tried again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// The members as they are sent.
    #[must_use]
    pub fn into_body(self) -> ProblemBody {
        let (line, column) = self.position.map(|position| *position).unzip();
        ProblemBody {
            kind: self.code.reference(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: shortened(&self.detail),
            field: self.field.as_deref().map(shortened),
            remedy: self.remedy.unwrap_or_else(|| self.code.remedy().to_owned()),
            line,
            column,
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(DETAIL_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl From<Obstacle> for Code {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::NoConsent => Self::ProfilingConsentMissing,
            Obstacle::Restricted => Self::ProcessingRestricted,
            Obstacle::Objected => Self::ProfilingObjected,
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::new(Code::InvalidField, invalid.problem).field(invalid.field).remedy(invalid.remedy)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, retry_after_s, challenge) = (self.code, self.retry_after_s, self.challenge);
        let body = serde_json::to_vec(&self.into_body()).expect("a problem is plain data with string keys");
        let mut response = (code.status(), [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if challenge.is_some() || code.status() == StatusCode::UNAUTHORIZED {
            let error = challenge.map(|error| format!(", error=\"{error}\"")).unwrap_or_default();
            let value = HeaderValue::try_from(format!("Bearer realm=\"leadscore\"{error}"));
            headers.insert(header::WWW_AUTHENTICATE, value.expect("a word of ours is visible ASCII"));
        }
        response.extensions_mut().insert(code);
        response
    }
}

/// The page that explains the codes, as Markdown: `docs/ERRORS.md`.
#[must_use]
pub fn errors_markdown() -> String {
    let mut page = String::from(
        "# Problems\n\nEvery answer of 400 or above is `application/problem+json` (RFC 9457). A program goes by \
         `code`, which keeps its meaning; `detail`, `field` and `remedy` are for the person who reads them.\n",
    );
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        write!(page, "\n## {name}\n\n**{status}** · {}.\n\n{}\n", code.title(), code.remedy())
            .expect("writing to a string cannot fail");
    }
    page
}

/// The same page as HTML, with an anchor per code.
#[must_use]
pub fn errors_html() -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Leadscore: problems</title></head>\
         <body><h1>Problems</h1>",
    );
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        let remedy = code.remedy().replace('<', "&lt;").replace('>', "&gt;");
        write!(page, "<h2 id=\"{name}\">{name}</h2><p><b>{status}</b> · {}.</p><p>{remedy}</p>", code.title())
            .expect("writing to a string cannot fail");
    }
    page.push_str("</body></html>");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_explained() {
        let (markdown, html) = (errors_markdown(), errors_html());
        for (i, code) in Code::ALL.into_iter().enumerate() {
            assert!(Code::ALL.iter().skip(i + 1).all(|other| other.as_str() != code.as_str()));
            assert!(markdown.contains(&format!("\n## {}\n", code.as_str())));
            assert!(html.contains(&format!("id=\"{}\"", code.as_str())));
        }
    }

    #[test]
    fn a_detail_that_quotes_a_novel_is_cut() {
        let novel = "ä".repeat(10_000);
        let body = Problem::new(Code::InvalidField, novel.clone()).field(novel).into_body();
        assert_eq!(body.detail.chars().count(), DETAIL_MAX_CHARS + 1);
        assert_eq!(body.field.map(|field| field.chars().count()), Some(DETAIL_MAX_CHARS + 1));
    }
}
