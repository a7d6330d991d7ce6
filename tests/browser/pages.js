// Every page of the demo, by a short name.
export const PAGES = [
  ['overview', ''], ['tokens', '/settings/tokens'], ['tokens-expiring', '/settings/tokens?state=expiring'], ['search', '/search?q=ci-'], ['search-none', '/search?q=nothing'],
  ['teams', '/settings/teams'], ['teams-none', '/settings/teams?q=nothing'], ['team-new', '/settings/teams/new'],
  ['team-members', '/settings/teams/platform/members'], ['team-empty', '/settings/teams/incident/members'],
  ['team-accounts', '/settings/teams/platform/service-accounts'], ['team-projects', '/settings/teams/platform/projects'],
  ['team-token', '/settings/teams/platform/api-token'], ['team-token-none', '/settings/teams/data/api-token'],
  ['team-token-regenerate', '/settings/teams/platform/api-token/regenerate'], ['team-token-delete', '/settings/teams/platform/api-token/delete'],
  ['team-settings', '/settings/teams/platform/settings'], ['team-delete', '/settings/teams/platform/delete'],
  ['people', '/settings/people'], ['people-none', '/settings/people?q=nobody'], ['invite', '/settings/people/new'],
  ['person', '/settings/people/amir'], ['person-remove', '/settings/people/olive/remove'],
  ['accounts', '/settings/service-accounts'], ['accounts-none', '/settings/service-accounts?q=nothing'], ['account-new', '/settings/service-accounts/new'],
  ['service-tokens', '/settings/service-tokens'], ['service-tokens-all', '/settings/service-tokens?status=all'], ['service-tokens-none', '/settings/service-tokens?q=nothing'], ['service-token-new', '/settings/service-tokens/new'],
  ['service-tokens-revoke-none', '/settings/service-tokens/selected?do=revoke'], ['accounts-disable-none', '/settings/service-accounts/selected?do=disable'],
  ['api-token', '/settings/api-token'], ['api-token-regenerate', '/settings/api-token/regenerate'],
  ['projects', '/settings/projects'], ['projects-none', '/settings/projects?q=nothing'], ['project-new', '/settings/projects/new'],
  ['project-access', '/settings/projects/ledger/access'], ['project-access-open', '/settings/projects/search/access'], ['project-activity', '/settings/projects/storefront/activity'], ['project-settings', '/settings/projects/storefront/settings'], ['project-delete', '/settings/projects/storefront/delete'],
  ['sets', '/settings/permission-sets'], ['set', '/settings/permission-sets/admin'], ['set-own', '/settings/permission-sets/release_manager'], ['set-new', '/settings/permission-sets/new?from=developer'], ['set-edit', '/settings/permission-sets/release_manager/edit'], ['set-delete', '/settings/permission-sets/release_manager/delete'],
  ['explorer', '/settings/access-explorer'], ['explorer-answer', '/settings/access-explorer?who=person:bea&what=&where=ledger'], ['explorer-422', '/settings/access-explorer?who=person:nobody'],
  ['services', '/settings/services'], ['services-none', '/settings/services?q=nothing'], ['service-new', '/settings/services/new'],
  ['providers', '/settings/identity-providers'], ['provider-new', '/settings/identity-providers/new'],
  ['general', '/settings/general'], ['organization-delete', '/settings/general/delete'],
  ['audit-log', '/settings/audit-log'], ['audit-log-none', '/settings/audit-log?actor=nobody-at-all'], ['audit-log-422', '/settings/audit-log?from=soon'],
  ['nowhere', '/settings/nothing-here'],
];
export const ACCOUNT = [['profile', '/account/profile'], ['password', '/account/password'], ['sessions', '/account/sessions'], ['personal-tokens', '/account/tokens'], ['personal-token-new', '/account/tokens/new'], ['organization-new', '/orgs/new'], ['api-docs', '/api/docs']];
// Forms that are sent as they are, and come back with mistakes.
export const REFUSED = [
  ['team-new-422', '/settings/teams/new', 'Create'], ['account-new-422', '/settings/service-accounts/new', 'Create'], ['service-token-new-422', '/settings/service-tokens/new', 'Create'],
  ['project-new-422', '/settings/projects/new', 'Create'], ['set-new-422', '/settings/permission-sets/new', 'Create'], ['service-new-422', '/settings/services/new', 'Create'],
  ['provider-new-422', '/settings/identity-providers/new', 'Create'], ['team-delete-422', '/settings/teams/platform/delete', 'Delete team'],
];
