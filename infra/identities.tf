# Who may do what. Making keys and taking keys away are two identities: neither can do the other's work.
#
# The lists of permissions are held to functions/rotator/permission.py by a test. Roles on keys are bound to the managed service
# accounts, never to a project.

locals {
  identities = {
    reader  = "looks what is out there, begins what is due, answers people: schedule, events, api"
    minter  = "rotations: makes keys, stages and publishes them"
    revoker = "retirements: disables and deletes keys that nobody needs any more, and takes one back"
  }

  on_keys = {
    reader = ["iam.serviceAccounts.get", "iam.serviceAccountKeys.list", "iam.serviceAccountKeys.get"]
    minter = [
      "iam.serviceAccounts.get", "iam.serviceAccountKeys.list", "iam.serviceAccountKeys.get", "iam.serviceAccountKeys.create",
    ]
    revoker = [
      "iam.serviceAccounts.get", "iam.serviceAccountKeys.list", "iam.serviceAccountKeys.get",
      "iam.serviceAccountKeys.disable", "iam.serviceAccountKeys.enable", "iam.serviceAccountKeys.delete",
    ]
  }

  on_staging = [
    "secretmanager.secrets.get", "secretmanager.secrets.update", "secretmanager.versions.add", "secretmanager.versions.access",
    "secretmanager.versions.get", "secretmanager.versions.list", "secretmanager.versions.destroy",
  ]

  telemetry_roles = ["roles/telemetry.tracesWriter", "roles/telemetry.metricsWriter"]

  on_tokens = {
    reader = [
      "secretmanager.versions.access", "secretmanager.versions.add", "secretmanager.versions.list",
      "secretmanager.versions.destroy",
    ]
    minter  = ["secretmanager.versions.access"]
    revoker = ["secretmanager.versions.access"]
  }

  projects = toset([for each in values(var.accounts) : each.project])

  key_roles = {
    for pair in setproduct(keys(local.on_keys), local.projects) : "${pair[0]}/${pair[1]}" => { who = pair[0], project = pair[1] }
  }
  key_bindings = {
    for pair in setproduct(keys(local.on_keys), keys(var.accounts)) : "${pair[0]}/${pair[1]}" => { who = pair[0], base = pair[1] }
  }
  member = { for who, each in google_service_account.this : who => "serviceAccount:${each.email}" }
}

resource "google_service_account" "this" {
  for_each = local.identities

  project      = var.project
  account_id   = "${substr(local.name, 0, 22)}-${each.key}"
  display_name = "registry-key-rotator ${var.installation}: ${each.key}"
  description  = each.value
}

# Pushes messages and calls the schedule; may do nothing else.
resource "google_service_account" "caller" {
  project      = var.project
  account_id   = "${substr(local.name, 0, 22)}-caller"
  display_name = "registry-key-rotator ${var.installation}: calls the functions"
}

resource "google_project_iam_custom_role" "keys" {
  for_each = local.key_roles

  project     = each.value.project
  role_id     = "rotator_${replace(var.installation, "-", "_")}_${each.value.who}"
  title       = "Registry key rotator ${var.installation}: ${each.value.who}"
  permissions = local.on_keys[each.value.who]
}

resource "google_service_account_iam_member" "keys" {
  for_each = local.key_bindings

  service_account_id = "projects/${var.accounts[each.value.base].project}/serviceAccounts/${var.accounts[each.value.base].email}"
  role               = google_project_iam_custom_role.keys["${each.value.who}/${var.accounts[each.value.base].project}"].name
  member             = local.member[each.value.who]
}

resource "google_project_iam_custom_role" "staging" {
  project     = var.project
  role_id     = "rotator_${replace(var.installation, "-", "_")}_staging"
  title       = "Registry key rotator ${var.installation}: staged keys"
  permissions = local.on_staging
}

resource "google_secret_manager_secret_iam_member" "staging" {
  for_each = google_secret_manager_secret.staging

  project   = var.project
  secret_id = each.value.secret_id
  role      = google_project_iam_custom_role.staging.name
  member    = local.member["minter"]
}

# Gardens' tokens: all three read them, the reader renews them.
resource "google_project_iam_custom_role" "garden_token" {
  for_each = length(var.garden_tokens) == 0 ? {} : local.on_tokens

  project     = var.project
  role_id     = "rotator_${replace(var.installation, "-", "_")}_garden_token_${each.key}"
  title       = "Registry key rotator ${var.installation}: Gardens' tokens, ${each.key}"
  permissions = each.value
}

resource "google_secret_manager_secret_iam_member" "garden_token" {
  for_each = {
    for pair in setproduct(keys(local.on_tokens), var.garden_tokens) : join("/", pair) => { who = pair[0], garden = pair[1] }
  }

  project   = var.project
  secret_id = google_secret_manager_secret.garden_token[each.value.garden].secret_id
  role      = google_project_iam_custom_role.garden_token[each.value.who].name
  member    = local.member[each.value.who]
}

# When a key was used last: read by those who take keys away, in the projects of the accounts.
resource "google_project_iam_custom_role" "usage" {
  for_each = local.projects

  project     = each.key
  role_id     = "rotator_${replace(var.installation, "-", "_")}_usage"
  title       = "Registry key rotator ${var.installation}: use of keys"
  permissions = ["monitoring.timeSeries.list"]
}

resource "google_project_iam_member" "usage" {
  for_each = local.projects

  project = each.key
  role    = google_project_iam_custom_role.usage[each.key].name
  member  = local.member["revoker"]
}

# The books, and no other database of the project.
resource "google_project_iam_member" "books" {
  for_each = local.identities

  project = var.project
  role    = "roles/datastore.user"
  member  = local.member[each.key]

  condition {
    title      = "books of ${var.installation}"
    expression = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.books.name}\""
  }
}

# Traces and metrics, by the roles of the one API that they are sent to.
resource "google_project_iam_member" "telemetry" {
  for_each = {
    for pair in setproduct(keys(local.identities), local.telemetry_roles) : join(" ", pair) => { who = pair[0], role = pair[1] }
    if var.telemetry == "gcp"
  }

  project = var.project
  role    = each.value.role
  member  = local.member[each.value.who]
}
