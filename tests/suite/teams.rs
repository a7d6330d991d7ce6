//! Teams and who is in them.

use axum::http::{Method, StatusCode};
use serde_json::json;
use tessera::access::TeamRole;

use crate::harness::{Home, House};

#[tokio::test]
async fn a_team_is_made_empty_edited_and_deleted() {
    let (house, olive) = House::founded().await;
    house.team(&olive, "platform").await;
    let one = house.get(&olive, "/organizations/acme/teams/platform").await.json();
    assert_eq!(
        (one["role"].as_str(), one["visibility"].as_str(), one["members_manage_token"].as_bool()),
        (Some("member"), Some("visible"), Some(true))
    );
    assert_eq!(
        house.get(&olive, "/organizations/acme/teams/platform/members").await.json()["items"],
        json!([])
    );
    let id = one["id"].as_str().expect("an id");
    let edited = house
        .api(
            &olive,
            Method::PATCH,
            &format!("/organizations/acme/teams/{id}"),
            Some(json!({ "name": "The platform" })),
        )
        .await;
    assert_eq!((edited.status, edited.json()["name"].clone()), (StatusCode::OK, json!("The platform")));
    let taken =
        house.post(&olive, "/organizations/acme/teams", json!({ "slug": "platform", "name": "x" })).await;
    assert_eq!(
        (taken.status, taken.json()["errors"][0]["field"].clone()),
        (StatusCode::CONFLICT, json!("slug"))
    );
    for (body, field) in [
        (json!({ "slug": "Owners", "name": "x" }), "slug"),
        (json!({ "slug": "new", "name": "x" }), "slug"),
        (json!({ "slug": "x", "name": "" }), "name"),
        (json!({ "slug": "x", "name": "x", "role": "no_such" }), "role"),
        (json!({ "slug": "x", "name": "x", "visibility": "hidden" }), "visibility"),
        (json!({ "slug": "x", "name": "x", "organization_id": "org_1" }), "organization_id"),
        (json!({ "slug": "x", "name": 1 }), "name"),
    ] {
        let refused = house.post(&olive, "/organizations/acme/teams", body.clone()).await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["field"].clone()),
            (StatusCode::UNPROCESSABLE_ENTITY, json!(field)),
            "{body}"
        );
    }
    assert_eq!(
        house.api(&olive, Method::DELETE, "/organizations/acme/teams/platform", None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(house.get(&olive, "/organizations/acme/teams/platform").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_team_that_accounts_hang_on_is_not_deleted() {
    let (house, olive) = House::founded().await;
    house.team(&olive, "platform").await;
    let (id, ..) = house.account(&olive, "ci", Home::Organization("platform"), "member").await;
    let refused = house.api(&olive, Method::DELETE, "/organizations/acme/teams/platform", None).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.json()["detail"].as_str().expect("text").contains("ci"));
    house.api(&olive, Method::DELETE, &format!("/organizations/acme/service-accounts/{id}"), None).await;
    assert_eq!(
        house.api(&olive, Method::DELETE, "/organizations/acme/teams/platform", None).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn the_owners_team_is_only_the_owners_and_never_loses_its_last() {
    let (house, olive) = House::founded().await;
    let admin = house.person("adam", "account_admin", None).await;
    let owners = "/organizations/acme/teams/owners";
    assert_eq!(
        house.api(&admin, Method::PUT, &format!("{owners}/members/adam"), Some(json!({}))).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(house.api(&olive, Method::DELETE, owners, None).await.status, StatusCode::CONFLICT);
    assert_eq!(
        house.api(&olive, Method::DELETE, &format!("{owners}/members/olive"), None).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        house.api(&olive, Method::PUT, &format!("{owners}/members/adam"), Some(json!({}))).await.status,
        StatusCode::OK
    );
    // Each removes the other at once: one stays.
    let (by_olive, by_adam) = (format!("{owners}/members/adam"), format!("{owners}/members/olive"));
    tokio::join!(
        house.api(&olive, Method::DELETE, &by_olive, None),
        house.api(&admin, Method::DELETE, &by_adam, None)
    );
    let (left,): (i64,) = tessera::platform::sql(
        "SELECT COUNT(*) FROM team_members m JOIN teams t ON t.id = m.team_id WHERE t.is_owners",
    )
    .one(&house.app.db)
    .await
    .expect("counted");
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_secret_team_is_as_if_it_were_not_there() {
    let (house, olive) = House::founded().await;
    house
        .post(
            &olive,
            "/organizations/acme/teams",
            json!({ "slug": "secret", "name": "Secret", "visibility": "secret" }),
        )
        .await;
    let inside = house.person("ina", "member", Some(("secret", TeamRole::Member))).await;
    let outside = house.person("otto", "member", None).await;
    assert_eq!(house.get(&inside, "/organizations/acme/teams/secret").await.status, StatusCode::OK);
    let hidden = house.get(&outside, "/organizations/acme/teams/secret").await;
    let random = house.get(&outside, "/organizations/acme/teams/never").await;
    let bare = |answer: &crate::harness::Answer| {
        let mut problem = answer.json();
        problem["request_id"] = json!("");
        (answer.status, problem)
    };
    assert_eq!(bare(&hidden), bare(&random));
    let listed = house.get(&outside, "/organizations/acme/teams").await.json();
    assert!(!listed.to_string().contains("secret"));
    assert!(house.get(&inside, "/organizations/acme/teams").await.text.contains("secret"));
}

#[tokio::test]
async fn team_admins_manage_their_own_team_and_demotion_acts_on_the_next_request() {
    let (house, olive) = House::founded().await;
    house.team(&olive, "platform").await;
    house.team(&olive, "data").await;
    let tara = house.person("tara", "member", Some(("platform", TeamRole::Admin))).await;
    house.person("mo", "member", None).await;
    let put = |token: &str, team: &str| {
        let (token, path) = (token.to_owned(), format!("/organizations/acme/teams/{team}/members/mo"));
        let house = &house;
        async move { house.api(&token, Method::PUT, &path, Some(json!({ "role": "member" }))).await.status }
    };
    assert_eq!(put(&tara, "platform").await, StatusCode::OK);
    assert_eq!(put(&tara, "data").await, StatusCode::FORBIDDEN);
    let cookie = house.sign_in("tara").await;
    assert!(
        house.page(&cookie, "/orgs/acme/settings/teams/platform/members").await.text.contains("Add a member")
    );
    house
        .api(
            &olive,
            Method::PUT,
            "/organizations/acme/teams/platform/members/tara",
            Some(json!({ "role": "member" })),
        )
        .await;
    assert_eq!(put(&tara, "platform").await, StatusCode::FORBIDDEN);
    assert!(
        !house
            .page(&cookie, "/orgs/acme/settings/teams/platform/members")
            .await
            .text
            .contains("Add a member")
    );
}

#[tokio::test]
async fn an_edit_over_somebody_elses_is_refused_and_tells_what_changed() {
    let (house, olive) = House::founded().await;
    house.team(&olive, "platform").await;
    let cookie = house.sign_in("olive").await;
    let save = async |name: &'static str| {
        house
            .form(
                &cookie,
                "/orgs/acme/settings/teams/platform/settings",
                &[("version", "0"), ("name", name), ("role", "member"), ("visibility", "visible")],
            )
            .await
    };
    assert_eq!(save("First").await.status, StatusCode::SEE_OTHER);
    let late = save("Second").await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        late.text.contains("Somebody else changed this team")
            && late.text.contains("First")
            && late.text.contains("Second")
    );
}
