//! The form of a service token: its summary says what would be stored, and it works with
//! more projects than fit on a page.

use axum::http::StatusCode;
use tessera::platform::sql;

use crate::harness::{ByTest, TestApp};

const FORM: &str = "/orgs/acme/settings/service-tokens";

/// Adds so many projects to the team `platform`, by rows alone.
async fn with_projects(many: i64) -> (TestApp, String) {
    let (house, olive) = TestApp::set_up().await;
    house.team(&olive, "platform").await;
    let mut tx = house.app.context.db.begin().await.expect("begun");
    for number in 0..many {
        let statement = sql(
            "INSERT INTO projects (id, organization_id, slug, name, description, team_id, visibility, \
                version, created_at) SELECT $1, t.organization_id, $2, $3, '', t.id, 'team', 0, 0 FROM teams t \
             WHERE t.slug = 'platform'",
        );
        let statement = statement.bind(format!("proj_01hzzzzzzzzzzzzzzzzzzz{number:04}"));
        let statement = statement.bind(format!("p{number:04}")).bind(format!("Project {number}"));
        assert_eq!(statement.execute(&mut tx, &ByTest).await.expect("written"), 1);
    }
    tx.commit().await.expect("committed");
    (house, olive)
}

#[tokio::test]
async fn the_summary_says_what_the_fields_would_store() {
    let (house, _) = with_projects(3).await;
    let cookie = house.sign_in("olive").await;
    let preview = async |fields: &[(&str, &str)]| {
        let mut all = vec![("preview", "1"), ("rows", "2")];
        all.extend_from_slice(fields);
        let answer = house.form(&cookie, FORM, &all).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let summary = answer.text.split("data-summary").nth(1).expect("a summary").to_owned();
        summary.split("</aside>").next().expect("an end").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let nothing = preview(&[]).await;
    assert!(nothing.contains("The token will be able to"), "{nothing}");
    assert!(nothing.contains("Choose a permission set to see what this token can do."), "{nothing}");
    let some = preview(&[
        ("name", "nightly"),
        ("set1", "job_viewer"),
        ("where1", "some"),
        ("project1", "p0001"),
        ("project1", "p0002"),
        ("set2", "semantic_layer_only"),
        ("where2", "all"),
        ("lifetime", "30"),
        ("allowed_addresses", "10.0.0.0/8"),
    ])
    .await;
    for text in [
        "nightly will be able to",
        "<b>in Project 1, Project 2</b>",
        "<b>in all projects, also new ones</b>",
        "<code>10.0.0.0/8</code>",
        "Expires",
    ] {
        assert!(some.contains(text), "{text}: {some}");
    }
    assert!(!some.contains("It can manage the whole organization"), "{some}");
    let whole = preview(&[("set1", "account_admin"), ("where1", "all")]).await;
    assert!(whole.contains("It can manage the whole organization"), "{whole}");
    assert!(whole.contains("in the organization and all projects"), "{whole}");
}

#[tokio::test]
async fn a_project_beyond_the_first_five_hundred_is_entered_by_its_short_name() {
    let (house, olive) = with_projects(520).await;
    let cookie = house.sign_in("olive").await;
    let page = house.page(&cookie, &format!("{FORM}/new")).await.text;
    assert!(
        page.contains("Other projects")
            && page.contains("value=\"p0499\"")
            && !page.contains("value=\"p0500\"")
    );
    let fields = [
        ("name", "far"),
        ("rows", "1"),
        ("set1", "job_viewer"),
        ("where1", "some"),
        ("project1", "p0003"),
        ("more1", "p0510,\r\np0519"),
        ("lifetime", "30"),
    ];
    let made = house.form(&cookie, FORM, &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let listed = house.get(&olive, "/organizations/acme/service-tokens").await.json();
    let token = &listed["items"][0];
    assert_eq!(token["grants"][0]["projects"], serde_json::json!(["p0003", "p0510", "p0519"]), "{token}");
    // What is stored is what the form shows again.
    let id = token["id"].as_str().expect("an id");
    let edit = house.page(&cookie, &format!("{FORM}/{id}")).await.text;
    assert!(edit.contains(">p0510\np0519</textarea>"), "{edit}");
    // A name that does not exist is said, and nothing typed is lost.
    let wrong = [
        ("name", "x"),
        ("rows", "1"),
        ("set1", "job_viewer"),
        ("where1", "some"),
        ("more1", "nowhere p0511"),
    ];
    let refused = house.form(&cookie, FORM, &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains(">nowhere\np0511</textarea>") && refused.text.contains("“nowhere”"),
        "{}",
        refused.text
    );
}
