# terraform test: the module as it would be applied, with the provider's own schema and nobody asked.

mock_provider "google" {
  mock_resource "google_cloudfunctions2_function" {
    defaults = {
      service_config = { uri = "https://door.example", service = "door" }
    }
  }
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project        = "acme-rotator"
  region         = "europe-west3"
  installation   = "acme-caches"
  source_archive = "tests/empty.zip"
  accounts = {
    puller-acme-prod = { email = "puller@acme-prod.iam.gserviceaccount.com", project = "acme-prod" }
    puller-acme-dev  = { email = "puller@acme-dev.iam.gserviceaccount.com", project = "acme-dev" }
  }
}

run "an_installation" {
  assert {
    condition     = length(google_cloudfunctions2_function.this) == 5
    error_message = "schedule, rotate, retire, events, api"
  }
  assert {
    condition     = length(google_service_account_iam_member.keys) == 6
    error_message = "three identities on two accounts"
  }
  assert {
    condition     = length(google_project_iam_custom_role.keys) == 6
    error_message = "three roles in each of two projects"
  }
  assert {
    condition     = alltrue([for each in google_pubsub_subscription.push : each.expiration_policy[0].ttl == ""])
    error_message = "a subscription would expire"
  }
  assert {
    condition     = alltrue([for each in google_service_account.this : length(each.account_id) <= 30])
    error_message = "IAM takes 30 characters"
  }
  assert {
    condition     = length(google_cloud_run_service_iam_member.api) == 0
    error_message = "nobody may call the api unless somebody is named"
  }
  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles) == 1 + length(google_logging_metric.alert)
    error_message = "a tile per alert, and one for schedules"
  }
  assert {
    condition     = length(regexall("rotator rbac GARDEN --for (?:reader|minter|revoker) --user [^ ]+ \\| kubectl apply -f -", output.next)) == 3
    error_message = "a Role in the Gardens for each identity"
  }
}

run "nobody_is_let_in" {
  command = plan

  variables {
    api_invokers = ["allUsers"]
  }
  expect_failures = [var.api_invokers]
}

run "an_account_is_named_by_its_address" {
  command = plan

  variables {
    accounts = { puller = { email = "puller", project = "acme-prod" } }
  }
  expect_failures = [var.accounts]
}

run "silence_is_at_most_a_day" {
  command = plan

  variables {
    silence_hours = 48
  }
  expect_failures = [var.silence_hours]
}
