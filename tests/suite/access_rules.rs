//! The rules of access, as a table and as properties.

use proptest::prelude::*;
use tessera::access::{
    AccountScope, Audience, Decision, Grant, GrantSource, Kind, Level, Permission, PermissionSet,
    Permissions, ProbeScope, ProjectFacts, Projects, Refusal, Resource, Subject, Target, TeamFacts, TeamRole,
    Verb, Visibility, built_in, built_in_sets, can_give_account_role, can_give_person_role,
    can_give_token_grant, can_see_team, decide, effective_permissions, ensure_holds_set, find_privilege_gain,
    reaches_unrestricted_projects, visible_service_accounts,
};
use tessera::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId, TokenId};

const OWN: TeamId = TeamId::sample(1);
const OTHER: TeamId = TeamId::sample(2);
const PROJECT: ProjectId = ProjectId::sample(3);

fn project(visibility: Visibility) -> ProjectFacts {
    ProjectFacts { id: PROJECT, team: OWN, visibility }
}

fn grant(set: &str, projects: Projects) -> Grant {
    Grant { set: built_in(set).expect("a set").clone(), projects, source: GrantSource::Role }
}

fn holder(kind: Kind, set: &str) -> Subject {
    Subject { kind, grants: vec![grant(set, Projects::All)], narrowed: None }
}

fn person(owner: bool, teams: &[(TeamId, TeamRole)]) -> Kind {
    Kind::Person { id: PersonId::sample(1), owner, teams: teams.to_vec() }
}

fn account(scope: AccountScope) -> Kind {
    Kind::ServiceAccount { id: ServiceAccountId::sample(1), scope }
}

/// Audience reads and writes runs in a project of the team `OWN`, by visibility.
/// `h` hidden, `-` refused, `r` reads, `w` writes too.
#[test]
fn a_project_lets_in_whom_its_visibility_says() {
    let named = |kind: Kind| Subject {
        grants: vec![grant("member", Projects::All), grant("member", Projects::One(PROJECT))],
        ..holder(kind, "member")
    };
    let rows: Vec<(&str, Subject, &str)> = vec![
        // open, public, team, restricted
        ("owner", holder(person(true, &[]), "member"), "wwww"),
        ("person of the team", holder(person(false, &[(OWN, TeamRole::Member)]), "member"), "wwwh"),
        ("person of another team", holder(person(false, &[(OTHER, TeamRole::Admin)]), "member"), "wrhh"),
        ("person who is named", named(person(false, &[])), "wwww"),
        ("the team's token", holder(Kind::Team(OWN), "member"), "wwwh"),
        ("another team's token", holder(Kind::Team(OTHER), "member"), "wrhh"),
        ("the team's account", holder(account(AccountScope::Team(OWN)), "member"), "wwwh"),
        ("the team's account, named", named(account(AccountScope::Team(OWN))), "wwww"),
        ("another team's account", holder(account(AccountScope::Team(OTHER)), "member"), "wrhh"),
        ("another team's account, named", named(account(AccountScope::Team(OTHER))), "wwhh"),
        ("an organization's account", holder(account(AccountScope::Organization), "member"), "wwwh"),
        ("an organization's account, named", named(account(AccountScope::Organization)), "wwww"),
        ("a service token", holder(Kind::ServiceToken(TokenId::sample(1)), "member"), "wwwh"),
        ("a service token, named", named(Kind::ServiceToken(TokenId::sample(1))), "wwww"),
        // It reads runs but never starts them; of a restricted project it sees the record alone.
        (
            "the organization token",
            Subject { kind: Kind::Organization, grants: vec![], narrowed: None },
            "rrr-",
        ),
        (
            "somebody without a grant",
            Subject { grants: vec![], ..holder(person(false, &[(OWN, TeamRole::Member)]), "member") },
            "---h",
        ),
    ];
    for (who, subject, expected) in rows {
        let found: String = Visibility::ALL
            .iter()
            .map(|visibility| {
                let target = Target::Project(project(*visibility));
                let ask = |permission| decide(&subject, permission, &target);
                match (ask(Resource::Runs.read()), ask(Resource::Runs.write())) {
                    (Decision::Hidden, Decision::Hidden) => 'h',
                    (Decision::Allowed(_), Decision::Allowed(_)) => 'w',
                    (Decision::Allowed(_), Decision::Refused(_)) => 'r',
                    (Decision::Refused(_), Decision::Refused(_)) => '-',
                    other => panic!("{who}: {other:?}"),
                }
            })
            .collect();
        assert_eq!(found, expected, "{who}");
    }
}

#[test]
fn the_organization_token_administers_everything_but_runs_nothing() {
    let token = Subject { kind: Kind::Organization, grants: vec![], narrowed: None };
    let open = Target::Project(project(Visibility::Open));
    for permission in Permission::all() {
        let target = if permission.resource.level() == Level::Project { open } else { Target::Organization };
        let never = ["runs:write", "configuration_versions:write", "credentials:read", "credentials:write"];
        let expected = !never.contains(&permission.to_string().as_str());
        assert_eq!(decide(&token, permission, &target).is_allowed(), expected, "{permission}");
    }
    let Decision::Refused(refusal) = decide(&token, Resource::Runs.write(), &open) else { panic!("let in") };
    assert!(refusal.to_string().contains("personal token or a team token"), "{refusal}");
    let restricted = Target::Project(project(Visibility::Restricted));
    assert!(decide(&token, Resource::Projects.write(), &restricted).is_allowed());
    assert!(decide(&token, Resource::ProjectPermissions.write(), &restricted).is_allowed());
    assert!(!decide(&token, Resource::Jobs.read(), &restricted).is_allowed());
    assert_eq!(
        decide(&token, Resource::Settings.read(), &Target::OrganizationToken),
        Decision::Refused(Refusal::OwnersOnlyByPersonalToken)
    );
}

#[test]
fn only_owners_touch_what_is_theirs_whatever_is_granted() {
    let owners = TeamFacts { id: OWN, owners: true, secret: false, members_manage_token: true };
    let admin = holder(person(false, &[]), "account_admin");
    let owner = holder(person(true, &[(OWN, TeamRole::Member)]), "member");
    for target in [
        Target::OrganizationToken,
        Target::OrganizationDeletion,
        Target::Team(owners),
        Target::TeamMembers(owners),
        Target::TeamToken(owners),
    ] {
        assert_eq!(
            decide(&admin, Resource::Groups.write(), &target),
            Decision::Refused(Refusal::OwnersOnly),
            "{target:?}"
        );
        assert!(decide(&owner, Resource::Groups.write(), &target).is_allowed(), "{target:?}");
    }
}

#[test]
fn a_team_is_managed_by_its_admins_and_its_token_by_its_members_while_it_allows() {
    let team =
        |secret, members_manage_token| TeamFacts { id: OWN, owners: false, secret, members_manage_token };
    let admin = holder(person(false, &[(OWN, TeamRole::Admin)]), "member");
    let member = holder(person(false, &[(OWN, TeamRole::Member)]), "member");
    let outside = holder(person(false, &[(OTHER, TeamRole::Admin)]), "member");
    let may = |subject: &Subject, target| decide(subject, Resource::Groups.write(), &target).is_allowed();
    let facts = team(false, true);
    assert!(
        may(&admin, Target::TeamMembers(facts))
            && !may(&member, Target::TeamMembers(facts))
            && !may(&outside, Target::TeamMembers(facts))
    );
    assert!(!may(&admin, Target::Team(facts)), "its record is the owners'");
    assert!(
        may(&admin, Target::TeamToken(facts))
            && may(&member, Target::TeamToken(facts))
            && !may(&outside, Target::TeamToken(facts))
    );
    let closed = team(false, false);
    assert!(may(&admin, Target::TeamToken(closed)) && !may(&member, Target::TeamToken(closed)));
    let secret = Target::Team(team(true, true));
    let read = Resource::Groups.read();
    assert!(decide(&member, read, &secret).is_allowed());
    assert_eq!(decide(&outside, read, &secret), Decision::Hidden);
    assert!(decide(&holder(person(true, &[]), "member"), read, &secret).is_allowed());
    // Accounts: the team's admins make them, its members see them, others know of none.
    let accounts = Target::ServiceAccount(ServiceAccountId::sample(9), AccountScope::Team(OWN));
    let (read, write) = (Resource::ServiceAccounts.read(), Resource::ServiceAccounts.write());
    assert!(decide(&admin, write, &accounts).is_allowed());
    assert_eq!(decide(&member, write, &accounts), Decision::Refused(Refusal::Missing(write)));
    assert!(decide(&member, read, &accounts).is_allowed());
    assert_eq!(decide(&outside, read, &accounts), Decision::Hidden);
}

#[test]
fn a_team_scoped_account_never_holds_writes_of_the_organization() {
    let held = effective_permissions(&holder(account(AccountScope::Team(OWN)), "account_admin"));
    assert!(
        held.strongest()
            .all(|permission| permission.resource.level() == Level::Project || permission.verb == Verb::Read)
    );
    assert!(
        effective_permissions(&holder(account(AccountScope::Organization), "account_admin"))
            .has(Resource::Groups.write())
    );
}

#[test]
fn a_grant_that_names_a_project_gives_project_permissions_there_only() {
    let named = Subject {
        grants: vec![grant("admin", Projects::One(PROJECT))],
        ..holder(person(false, &[]), "member")
    };
    assert!(effective_permissions(&named).is_empty());
    assert!(decide(&named, Resource::Jobs.write(), &Target::Project(project(Visibility::Team))).is_allowed());
    let elsewhere = ProjectFacts { id: ProjectId::sample(99), ..project(Visibility::Open) };
    assert!(!decide(&named, Resource::Jobs.read(), &Target::Project(elsewhere)).is_allowed());
}

#[test]
fn nobody_gives_more_than_they_hold_nor_further_than_they_reach() {
    let member = built_in("member").expect("a set");
    let strong = built_in("account_admin").expect("a set");
    let owner = holder(person(true, &[]), "member");
    let team_admin = holder(person(false, &[(OWN, TeamRole::Admin)]), "member");
    let account_admin = holder(person(false, &[]), "account_admin");
    let founder = Subject { kind: Kind::Organization, grants: vec![], narrowed: None };
    assert!(can_give_account_role(&owner, strong, AccountScope::Organization));
    assert!(can_give_account_role(&team_admin, member, AccountScope::Team(OWN)));
    assert!(!can_give_account_role(&team_admin, member, AccountScope::Team(OTHER)));
    assert!(!can_give_account_role(&team_admin, member, AccountScope::Organization));
    assert!(!can_give_account_role(
        &team_admin,
        built_in("developer").expect("a set"),
        AccountScope::Team(OWN)
    ));
    // Holding every permission does not make one reach other teams' projects.
    assert!(!can_give_account_role(&account_admin, member, AccountScope::Organization));
    let billing = built_in("billing_admin").expect("a set");
    assert!(can_give_account_role(&account_admin, billing, AccountScope::Organization));
    assert!(can_give_account_role(&founder, member, AccountScope::Organization));
    let narrow = Subject { narrowed: Some(Permissions::from_permission(Resource::Jobs.read())), ..owner };
    assert!(!can_give_person_role(&narrow, member));
}

fn nothing(kind: Kind) -> Subject {
    Subject { kind, grants: vec![], narrowed: None }
}

fn narrowed(subject: Subject, to: Permission) -> Subject {
    Subject { narrowed: Some(Permissions::from_permission(to)), ..subject }
}

#[test]
fn a_permission_is_asked_about_where_it_holds() {
    let owner = holder(person(true, &[]), "member");
    let (runs, settings) = (Resource::Runs.read(), Resource::Settings.read());
    let open = Target::Project(project(Visibility::Open));
    assert_eq!(decide(&owner, runs, &Target::Organization), Decision::Refused(Refusal::NeedsProject(runs)));
    assert_eq!(decide(&owner, settings, &open), Decision::Refused(Refusal::NeedsOrganization(settings)));
}

#[test]
fn nobody_manages_the_credentials_of_somebody_else() {
    let (ann, ben) = (PersonId::sample(1), PersonId::sample(2));
    let manage = Resource::Credentials.write();
    let refused = Decision::Refused(Refusal::OthersCredentials);
    for own in [holder(person(false, &[]), "member"), holder(person(true, &[]), "member")] {
        assert!(decide(&own, manage, &Target::Credentials(ann)).is_allowed());
        assert_eq!(decide(&own, manage, &Target::Credentials(ben)), refused);
        assert_eq!(decide(&own, manage, &Target::Organization), refused);
        assert_eq!(decide(&own, Resource::Settings.read(), &Target::Credentials(ann)), refused);
        let limited = narrowed(own, Resource::Runs.read());
        assert_eq!(
            decide(&limited, manage, &Target::Credentials(ann)),
            Decision::Refused(Refusal::Narrowed(manage))
        );
    }
    for program in [nothing(Kind::Organization), holder(Kind::Team(OWN), "account_admin")] {
        assert_eq!(decide(&program, manage, &Target::Credentials(ann)), refused);
    }
}

#[test]
fn the_policy_that_owners_create_accounts_binds_people_alone() {
    let create = |subject: &Subject, owners_only| {
        let target = Target::NewServiceAccount { scope: AccountScope::Organization, owners_only };
        decide(subject, Resource::ServiceAccounts.write(), &target).is_allowed()
    };
    let admin = holder(person(false, &[]), "account_admin");
    assert!(create(&admin, false) && !create(&admin, true));
    let owner = holder(person(true, &[]), "member");
    assert!(create(&owner, true));
    let program = holder(Kind::ServiceToken(TokenId::sample(1)), "account_admin");
    assert!(create(&program, true));
}

#[test]
fn what_only_owners_change_may_be_read_and_a_limited_token_of_one_does_what_it_carries() {
    let owners = TeamFacts { id: OWN, owners: true, secret: false, members_manage_token: true };
    let member = holder(person(false, &[]), "member");
    assert!(decide(&member, Resource::Groups.read(), &Target::Team(owners)).is_allowed());
    let owner = || holder(person(true, &[]), "member");
    let (read, write) = (Resource::Settings.read(), Resource::Settings.write());
    assert!(decide(&narrowed(owner(), read), read, &Target::OrganizationToken).is_allowed());
    assert_eq!(
        decide(&narrowed(owner(), write), write, &Target::OrganizationToken),
        Decision::Refused(Refusal::OwnersOnlyWhole)
    );
    let runs = Resource::Runs.write();
    assert!(
        decide(&narrowed(owner(), runs), runs, &Target::Project(project(Visibility::Restricted)))
            .is_allowed()
    );
    let program = narrowed(holder(Kind::ServiceToken(TokenId::sample(1)), "account_admin"), write);
    assert_eq!(
        decide(&program, write, &Target::OrganizationToken),
        Decision::Refused(Refusal::OwnersOnlyByPersonalToken)
    );
}

#[test]
fn programs_of_a_team_manage_nothing_of_it_by_being_in_it() {
    let facts = TeamFacts { id: OWN, owners: false, secret: false, members_manage_token: true };
    for kind in [Kind::Team(OWN), account(AccountScope::Team(OWN))] {
        let program = nothing(kind);
        let refused = |permission, target| {
            assert_eq!(
                decide(&program, permission, &target),
                Decision::Refused(Refusal::Missing(permission)),
                "{program:?} {target:?}"
            );
        };
        refused(Resource::Groups.write(), Target::TeamToken(facts));
        refused(Resource::Groups.read(), Target::TeamToken(facts));
        refused(Resource::ServiceAccounts.read(), Target::ServiceAccounts(AccountScope::Team(OWN)));
        refused(Resource::ProjectCreate.write(), Target::NewProject(OWN));
    }
}

#[test]
fn a_service_account_sees_itself_and_changes_nothing_of_itself() {
    let itself = nothing(account(AccountScope::Organization));
    let (read, write) = (Resource::ServiceAccounts.read(), Resource::ServiceAccounts.write());
    let target =
        |number| Target::ServiceAccount(ServiceAccountId::sample(number), AccountScope::Organization);
    assert!(decide(&itself, read, &target(1)).is_allowed());
    assert_eq!(decide(&itself, write, &target(1)), Decision::Refused(Refusal::Missing(write)));
    assert_eq!(decide(&itself, read, &target(2)), Decision::Hidden);
}

#[test]
fn admins_of_a_team_manage_its_projects_and_members_have_no_permission_by_being_in_it() {
    let open = Target::Project(project(Visibility::Team));
    let of = |role| nothing(person(false, &[(OWN, role)]));
    for (permission, target) in [
        (Resource::Projects.read(), open),
        (Resource::ProjectPermissions.read(), open),
        (Resource::ProjectPermissions.write(), open),
        (Resource::ProjectCreate.read(), Target::NewProject(OWN)),
        (Resource::ProjectCreate.write(), Target::NewProject(OWN)),
    ] {
        assert!(decide(&of(TeamRole::Admin), permission, &target).is_allowed(), "{permission}");
        assert_eq!(
            decide(&of(TeamRole::Member), permission, &target),
            Decision::Refused(Refusal::Missing(permission))
        );
    }
}

#[test]
fn a_list_of_service_accounts_shows_whose_the_reader_may_know() {
    let read = Resource::ServiceAccounts.read();
    let member = holder(person(false, &[(OWN, TeamRole::Member)]), "member");
    assert_eq!(visible_service_accounts(&member), Ok(Audience::Teams(vec![OWN])));
    assert_eq!(
        visible_service_accounts(&narrowed(member, Resource::Jobs.read())),
        Err(Refusal::Narrowed(read))
    );
    assert_eq!(visible_service_accounts(&holder(person(false, &[]), "account_admin")), Ok(Audience::All));
    let program = || Kind::ServiceToken(TokenId::sample(1));
    assert_eq!(visible_service_accounts(&nothing(program())), Err(Refusal::Missing(read)));
    assert_eq!(visible_service_accounts(&narrowed(nothing(program()), read)), Err(Refusal::Missing(read)));
    let limited = narrowed(holder(program(), "account_admin"), Resource::Jobs.read());
    assert_eq!(visible_service_accounts(&limited), Err(Refusal::Narrowed(read)));
}

#[test]
fn a_limited_token_knows_no_secret_team_that_its_owner_manages() {
    let secret = TeamFacts { id: OTHER, owners: false, secret: true, members_manage_token: true };
    let owner = || holder(person(true, &[]), "member");
    let read = Resource::Groups.read();
    assert!(decide(&owner(), read, &Target::Team(secret)).is_allowed());
    assert_eq!(decide(&narrowed(owner(), read), read, &Target::Team(secret)), Decision::Hidden);
    assert!(can_see_team(&owner(), OTHER, true));
    assert!(!can_see_team(&narrowed(owner(), read), OTHER, true));
    assert!(can_see_team(&narrowed(owner(), read), OTHER, false));
}

#[test]
fn every_project_that_is_not_restricted_is_reached_by_owners_and_by_programs_of_the_organization() {
    for (kind, expected) in [
        (person(true, &[]), true),
        (person(false, &[(OWN, TeamRole::Admin)]), false),
        (account(AccountScope::Organization), true),
        (account(AccountScope::Team(OWN)), false),
        (Kind::ServiceToken(TokenId::sample(1)), true),
        (Kind::Organization, true),
        (Kind::Team(OWN), false),
    ] {
        assert_eq!(reaches_unrestricted_projects(&nothing(kind.clone())), expected, "{kind:?}");
    }
}

#[test]
fn a_form_offers_what_the_caller_can_give() {
    let member = built_in("member").expect("a set");
    let strong = built_in("account_admin").expect("a set");
    let owner = || holder(person(true, &[]), "member");
    let nobody = || nothing(person(false, &[]));
    assert!(can_give_person_role(&owner(), strong) && !can_give_person_role(&nobody(), member));
    assert!(can_give_token_grant(&owner(), strong, None) && !can_give_token_grant(&nobody(), member, None));
    let (here, named) = (project(Visibility::Restricted), grant("admin", Projects::One(PROJECT)));
    let admin = Subject { grants: vec![grant("member", Projects::All), named], ..nobody() };
    assert!(can_give_token_grant(&admin, member, Some(here)) && !can_give_token_grant(&admin, member, None));
}

#[test]
fn the_organization_token_sets_up_what_it_may_not_do_but_no_more_than_it_is_limited_to() {
    let of = |permission| PermissionSet {
        permissions: Permissions::from_permission(permission),
        ..built_in("member").expect("a set").clone()
    };
    let (runs, jobs) = (of(Resource::Runs.write()), of(Resource::Jobs.read()));
    let founder = || nothing(Kind::Organization);
    let open = Target::Project(project(Visibility::Open));
    assert!(!decide(&founder(), Resource::Runs.write(), &open).is_allowed());
    assert_eq!(ensure_holds_set(&founder(), &runs), Ok(()));
    let limited = narrowed(founder(), Resource::Jobs.read());
    assert_eq!(ensure_holds_set(&limited, &jobs), Ok(()));
    assert!(ensure_holds_set(&limited, &runs).is_err());
    assert!(can_give_account_role(&limited, &jobs, AccountScope::Organization));
    assert!(!can_give_account_role(&limited, &runs, AccountScope::Organization));
    // Nobody else gives what they do not hold.
    assert!(ensure_holds_set(&nothing(person(false, &[])), &jobs).is_err());
    assert_eq!(ensure_holds_set(&holder(person(true, &[]), "member"), &runs), Ok(()));
}

#[test]
fn a_refusal_says_whether_the_permission_is_missing_or_the_reach() {
    let gains = |caller: &Subject| {
        let after = Subject {
            grants: vec![grant("member", Projects::All)],
            ..nothing(Kind::ServiceToken(TokenId::sample(9)))
        };
        find_privilege_gain((None, &after), caller, &ProbeScope::default())
    };
    let nobody = gains(&nothing(person(false, &[]))).expect("refused");
    assert!(matches!(nobody, Refusal::Delegation(_)), "{nobody:?}");
    let elsewhere = gains(&holder(person(false, &[]), "member")).expect("refused");
    assert!(matches!(elsewhere, Refusal::DelegationReach(_)), "{elsewhere:?}");
}

#[test]
fn the_built_in_sets_are_those_of_the_role_matrix() {
    let names: Vec<&str> = built_in_sets().iter().map(|set| &*set.slug).collect();
    assert_eq!(names.len(), 21);
    let has = |set: &str, permission: &str| {
        built_in(set).expect("a set").permissions.has(permission.parse().expect("a permission"))
    };
    for (set, yes, no) in [
        ("account_admin", "service_accounts:write", "licenses_none"),
        ("account_viewer", "identity_providers:read", "identity_providers:write"),
        ("member", "configuration_versions:write", "projects:write"),
        ("member", "members:read", "settings:read"),
        ("read_only", "runs:read", "runs:write"),
        ("job_runner", "configuration_versions:write", "jobs:write"),
        ("job_runner", "jobs:read", "members:read"),
        ("analyst", "environments:read", "environments:write"),
        ("account_admin", "metadata_graphql:read", "metadata_graphql:write"),
        ("billing_admin", "public_models:read", "runs:read"),
        ("webhooks_only", "webhooks:write", "projects:read"),
    ] {
        assert!(has(set, yes), "{set} {yes}");
        assert!(no == "licenses_none" || !has(set, no), "{set} {no}");
    }
    assert_eq!(
        built_in("read_only").expect("a set").permissions,
        built_in("stakeholder").expect("a set").permissions
    );
}

fn any_set() -> impl Strategy<Value = Grant> {
    (
        0..built_in_sets().len(),
        prop_oneof![
            Just(Projects::All),
            Just(Projects::One(PROJECT)),
            Just(Projects::One(ProjectId::sample(8)))
        ],
    )
        .prop_map(|(place, projects)| Grant {
            set: built_in_sets()[place].clone(),
            projects,
            source: GrantSource::Named,
        })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (
            any::<bool>(),
            proptest::collection::vec(
                (
                    prop_oneof![Just(OWN), Just(OTHER)],
                    prop_oneof![Just(TeamRole::Admin), Just(TeamRole::Member)]
                ),
                0..2
            )
        )
            .prop_map(|(owner, teams)| person(owner, &teams)),
        Just(Kind::Organization),
        prop_oneof![Just(OWN), Just(OTHER)].prop_map(Kind::Team),
        prop_oneof![
            Just(AccountScope::Organization),
            Just(AccountScope::Team(OWN)),
            Just(AccountScope::Team(OTHER))
        ]
        .prop_map(account),
        Just(Kind::ServiceToken(TokenId::sample(1))),
    ]
}

fn any_permissions() -> impl Strategy<Value = Option<Permissions>> {
    let all: Vec<Permission> = Permission::all().collect();
    proptest::option::of(
        proptest::sample::subsequence(all.clone(), 0..all.len()).prop_map(|some| some.into_iter().collect()),
    )
}

fn any_subject() -> impl Strategy<Value = Subject> {
    (any_kind(), proptest::collection::vec(any_set(), 0..4), any_permissions())
        .prop_map(|(kind, grants, narrowed)| Subject { kind, grants, narrowed })
}

fn any_target() -> impl Strategy<Value = Target> {
    let team = (prop_oneof![Just(OWN), Just(OTHER)], any::<[bool; 3]>()).prop_map(
        |(id, [owners, secret, members_manage_token])| TeamFacts { id, owners, secret, members_manage_token },
    );
    let scope = prop_oneof![Just(AccountScope::Organization), Just(AccountScope::Team(OWN))];
    prop_oneof![
        Just(Target::Organization),
        Just(Target::OrganizationDeletion),
        Just(Target::OrganizationToken),
        team.clone().prop_map(Target::Team),
        team.clone().prop_map(Target::TeamMembers),
        team.prop_map(Target::TeamToken),
        scope.clone().prop_map(Target::ServiceAccounts),
        scope.prop_map(|scope| Target::ServiceAccount(ServiceAccountId::sample(5), scope)),
        Just(Target::NewProject(OWN)),
        prop_oneof![
            Just(Visibility::Open),
            Just(Visibility::Public),
            Just(Visibility::Team),
            Just(Visibility::Restricted)
        ]
        .prop_map(|visibility| Target::Project(project(visibility))),
    ]
}

fn any_permission() -> impl Strategy<Value = Permission> {
    proptest::sample::select(Permission::all().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn adding_a_grant_never_takes_access_away(subject in any_subject(), more in any_set(), permission in any_permission(), target in any_target()) {
        let mut richer = subject.clone();
        richer.grants.push(more);
        if decide(&subject, permission, &target).is_allowed() {
            prop_assert!(decide(&richer, permission, &target).is_allowed());
        }
    }

    #[test]
    fn a_narrowed_token_never_exceeds_its_principal(subject in any_subject(), permission in any_permission(), target in any_target()) {
        if decide(&subject, permission, &target).is_allowed() {
            prop_assert!(decide(&subject.unnarrowed(), permission, &target).is_allowed());
            prop_assert!(subject.narrowed.is_none_or(|to| to.has(permission)));
        }
        prop_assert!(effective_permissions(&subject.unnarrowed()).contains_all(effective_permissions(&subject)));
    }

    #[test]
    fn what_is_told_as_held_is_what_is_decided(subject in any_subject(), permission in any_permission()) {
        if !subject.is_person() && permission.resource.level() == Level::Organization {
            let decided = decide(&subject, permission, &Target::Organization).is_allowed();
            prop_assert_eq!(effective_permissions(&subject).has(permission), decided);
        }
    }

    #[test]
    fn what_may_be_written_may_be_read(subject in any_subject(), resource in proptest::sample::select(Resource::ALL), target in any_target()) {
        let whole = subject.unnarrowed();
        if decide(&whole, resource.write(), &target).is_allowed() {
            prop_assert!(decide(&whole, resource.read(), &target).is_allowed());
        }
    }

    #[test]
    fn what_is_hidden_is_hidden_for_every_permission(subject in any_subject(), one in any_permission(), two in any_permission(), target in any_target()) {
        let hidden = |permission| decide(&subject, permission, &target) == Decision::Hidden;
        prop_assert_eq!(hidden(one), hidden(two));
    }

    #[test]
    fn a_permission_is_read_back_as_it_is_written(permission in any_permission()) {
        prop_assert_eq!(permission.to_string().parse(), Ok(permission));
    }
}
