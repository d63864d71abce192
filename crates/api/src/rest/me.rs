//! `GET /api/v1/me`: whom the token stands for.

use axum::Json as Answer;
use leadscore_domain::Timestamp;
use leadscore_store::{Authority, Principal, Role, Scopes};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{auth::identity::Identity, problem::Code, schema};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// Id of the user or API key.
    id: Uuid,
    /// The user's e-mail address; null for an API key.
    email: Option<String>,
    /// The API key's name; null for a user.
    api_key: Option<String>,
    /// What the user may do now; null for an API key.
    #[schema(value_type = Option<schema::Role>, required)]
    role: Option<Role>,
    /// The user's team; null for none.
    #[schema(required)]
    team_id: Option<Uuid>,
    /// What the API key may do; null for a user.
    #[schema(value_type = Option<Vec<schema::Scope>>, required)]
    scopes: Option<Scopes>,
    /// When the session ends; null for an API key, and for a token of an identity provider.
    #[schema(value_type = Option<String>, format = DateTime)]
    session_expires_at: Option<Timestamp>,
}

/// Say who I am
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "access",
    responses((
        status = 200,
        description = "The user or API key",
        body = Me,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "email": null,
            "api_key": "website",
            "role": null,
            "team_id": null,
            "scopes": ["leads:read"],
            "session_expires_at": null
        })
    ))
)]
pub async fn me(Identity { principal, session }: Identity) -> Answer<Me> {
    let Principal { id, name, authority } = (*principal).clone();
    let session_expires_at = session.map(|(_, ends)| ends);
    Answer(match authority {
        Authority::Person { role, team_id } => {
            let (email, role) = (Some(name), Some(role));
            Me { id, email, api_key: None, role, team_id, scopes: None, session_expires_at }
        }
        Authority::Machine { scopes } => {
            let (api_key, scopes) = (Some(name), Some(scopes));
            Me { id, email: None, api_key, role: None, team_id: None, scopes, session_expires_at }
        }
    })
}

#[cfg(test)]
mod tests {
    use leadscore_domain::time::SECOND_US;
    use leadscore_store::Role;
    use serde_json::{Value, json};

    use crate::testing::{PASSWORD, TestApp};

    #[tokio::test]
    async fn a_user_is_who_they_are_now_and_an_api_key_is_itself() {
        let mut app = TestApp::new().await;
        let key = app.get("/api/v1/me").await.json();
        assert_eq!((&key["api_key"], &key["email"]), (&json!("tests"), &Value::Null));
        assert_eq!((&key["scopes"], &key["session_expires_at"]), (&json!(["admin"]), &Value::Null));

        let session = app.session(Role::Agent).await;
        app.token = session["token"].as_str().unwrap().to_owned();
        let me = app.get("/api/v1/me").await.json();
        assert_eq!((&me["email"], &me["api_key"]), (&json!("agent@example.com"), &Value::Null));
        assert_eq!((&me["role"], &me["session_expires_at"]), (&json!("agent"), &session["session_expires_at"]));

        app.state.store.create_user("agent@example.com", PASSWORD, Role::Manager).await.unwrap();
        app.clock.advance_micros(2 * SECOND_US);
        assert_eq!(app.get("/api/v1/me").await.code(), "unauthenticated");
    }
}
