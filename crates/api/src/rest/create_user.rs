//! `POST /api/v1/users`: somebody may log in.

use std::sync::Arc;

use axum::{Extension, Json as Answer, extract::State, http::StatusCode};
use leadscore_store::{Role, audit::Object};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    json::Json,
    problem::{Code, Problem},
    rest::{
        unavailable,
        user::{User, unwritten},
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::AlreadyExists];

/// Somebody who shall be able to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Address.
    #[schema(format = Email)]
    email: String,
    /// First password.
    #[schema(min_length = 8, max_length = 256, format = Password)]
    password: String,
    /// Name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// What they may do.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// Their team.
    #[serde(default)]
    team_id: Option<Uuid>,
}

/// Make a user
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "access",
    request_body(content = NewUser, example = json!({
        "email": "ann.agent@example.com", "password": "correct horse battery", "name": "Ann Agent", "role": "agent"
    })),
    responses((
        status = 201,
        description = "The user",
        body = User,
        example = json!({
            "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
            "email": "ann.agent@example.com",
            "name": "Ann Agent",
            "role": "agent",
            "team_id": null,
            "created_at": "2026-03-01T10:00:00Z"
        })
    ))
)]
pub async fn create_user(
    State(api): State<Arc<Api>>,
    Json(NewUser { email, password, name, role, team_id }): Json<NewUser>,
) -> Result<(StatusCode, Extension<Touched>, Answer<User>), Problem> {
    let new = leadscore_store::NewUser { email, password, name, role, team_id };
    let user = api.store.add_user(new).await.map_err(unavailable)?.map_err(unwritten)?;
    let touched = Touched::from_iter([Object::User(user.id)]);
    Ok((StatusCode::CREATED, Extension(touched), Answer(user.into())))
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp};

    const PATH: &str = "/api/v1/users";

    #[tokio::test]
    async fn what_is_wrong_is_named_and_makes_no_user() {
        let app = TestApp::new().await;
        let before = app.get(PATH).await.json();
        for (body, field) in [
            (json!({"password": "long enough", "role": "agent"}), "email"),
            (json!({"email": "ann", "password": "long enough", "role": "agent"}), "email"),
            (json!({"email": "a@example.com", "password": "short", "role": "agent"}), "password"),
            (json!({"email": "a@example.com", "password": "long enough", "role": "owner"}), "role"),
            (json!({"email": "a@example.com", "password": "long enough", "role": "agent", "name": " "}), "name"),
            (
                json!({"email": "a@example.com", "password": "long enough", "role": "agent", "team_id": NOBODY}),
                "team_id",
            ),
        ] {
            let reply = app.post(PATH, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
        }
        assert_eq!(app.get(PATH).await.json(), before);
    }

    #[tokio::test]
    async fn a_user_is_made_once_logs_in_changes_and_goes() {
        let app = TestApp::new().await;
        let team = app.post("/api/v1/teams", &json!({"name": "North"})).await.json()["id"].clone();
        let new = json!({
            "email": "Ann@example.com", "password": "long enough", "name": "Ann", "role": "agent", "team_id": team
        });
        let made = app.post(PATH, &new).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let made = made.json();
        assert_eq!((&made["email"], &made["team_id"]), (&json!("ann@example.com"), &team));
        assert_eq!(app.post(PATH, &new).await.code(), "already-exists");
        let log_in = async |password: &str| {
            app.post("/api/v1/login", &json!({"email": "ann@example.com", "password": password})).await.status
        };
        assert_eq!(log_in("long enough").await, StatusCode::OK);

        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let change = json!({"role": "manager", "team_id": null, "password": "even longer"});
        let changed = app.send_json(Method::PATCH, &path, &change).await.json();
        assert_eq!(
            (&changed["role"], &changed["team_id"], &changed["name"]),
            (&json!("manager"), &json!(null), &json!("Ann"))
        );
        assert_eq!(log_in("long enough").await, StatusCode::UNAUTHORIZED);
        assert_eq!(log_in("even longer").await, StatusCode::OK);

        assert_eq!(app.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(app.delete(&path).await.code(), "user-not-found");
        assert_eq!(log_in("even longer").await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn the_last_administrator_stays_one() {
        let app = TestApp::new().await;
        let new = |email| json!({"email": email, "password": "long enough", "role": "admin"});
        let one = app.post(PATH, &new("one@example.com")).await.json()["id"].as_str().unwrap().to_owned();
        let path = format!("{PATH}/{one}");
        assert_eq!(app.delete(&path).await.code(), "last-admin");
        assert_eq!(app.send_json(Method::PATCH, &path, &json!({"role": "agent"})).await.code(), "last-admin");
        app.post(PATH, &new("two@example.com")).await;
        assert_eq!(app.send_json(Method::PATCH, &path, &json!({"role": "agent"})).await.status, StatusCode::OK);
    }
}
