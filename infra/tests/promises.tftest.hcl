# terraform test: the module as it would be applied, with the provider's own schema and nobody asked.

mock_provider "google" {
  mock_resource "google_cloudfunctions2_function" {
    defaults = {
      service_config = { uri = "https://door.example", service = "door" }
    }
  }
  mock_data "google_storage_project_service_account" {
    defaults = { member = "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com" }
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

run "telemetry_is_off" {
  assert {
    condition     = alltrue([for each in google_cloudfunctions2_function.this : !contains(keys(each.service_config[0].environment_variables), "ROTATOR_OTEL")])
    error_message = "nobody has asked for it"
  }
  assert {
    condition     = length(google_project_iam_member.telemetry) == 0
    error_message = "nothing is sent, so nothing is granted"
  }
}

run "telemetry_to_a_collector" {
  variables {
    telemetry     = "otlp"
    otlp_endpoint = "https://collector.acme.example:4318"
  }
  assert {
    condition     = alltrue([for each in google_cloudfunctions2_function.this : each.service_config[0].environment_variables["ROTATOR_OTEL"] == "otlp" && each.service_config[0].environment_variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://collector.acme.example:4318"])
    error_message = "every function tells, and knows where"
  }
  assert {
    condition     = length(google_project_iam_member.telemetry) == 0
    error_message = "a collector is not Google's"
  }
}

run "telemetry_to_google" {
  variables {
    telemetry = "gcp"
  }
  assert {
    condition     = alltrue([for each in google_cloudfunctions2_function.this : each.service_config[0].environment_variables["ROTATOR_OTEL"] == "gcp"])
    error_message = "every function tells"
  }
  assert {
    condition     = length(google_project_iam_member.telemetry) == 6
    error_message = "two roles for each of three identities"
  }
  assert {
    condition     = contains(keys(google_project_service.this), "telemetry.googleapis.com")
    error_message = "the API is switched on"
  }
}

run "telemetry_goes_to_a_place_that_there_is" {
  command = plan

  variables {
    telemetry = "stdout"
  }
  expect_failures = [var.telemetry]
}

run "a_collector_has_an_address" {
  command = plan

  variables {
    telemetry = "otlp"
  }
  expect_failures = [var.otlp_endpoint]
}

run "findings_are_heard_where_somebody_looks_for_them" {
  variables {
    scc_projects = ["acme-prod", "acme-dev"]
  }
  assert {
    condition     = alltrue([for each in google_scc_v2_project_notification_config.keys : each.streaming_config[0].filter == "state = \"ACTIVE\" AND (access.service_account_key_name : \"serviceAccounts/\" OR resource_name : \"serviceAccounts/\" OR resource.name : \"serviceAccounts/\")"])
    error_message = "what the door reads, and nothing else"
  }
  assert {
    condition     = alltrue([for name, each in google_pubsub_topic_iam_member.scc : each.member == "serviceAccount:${google_scc_v2_project_notification_config.keys[name].service_account}"]) && length(google_pubsub_topic_iam_member.scc) == 2
    error_message = "who finds may publish"
  }
}

run "without_a_key_of_ours_nobody_is_granted_any" {
  assert {
    condition     = length(google_kms_crypto_key_iam_member.agents) == 0 && alltrue([for each in google_secret_manager_secret.staging : length(each.replication[0].auto) == 1])
    error_message = "Google's own key, everywhere"
  }
}

run "whoever_encrypts_may_use_the_key" {
  variables {
    kms_key = "projects/acme-keys/locations/europe-west3/keyRings/rotator/cryptoKeys/rotator"
  }
  assert {
    condition = toset([for each in google_kms_crypto_key_iam_member.agents : each.member]) == toset([
      "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com",
      "serviceAccount:service-123456789012@gcp-sa-secretmanager.iam.gserviceaccount.com",
      "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com",
    ])
    error_message = "topics, staged keys and the source"
  }
  assert {
    condition     = alltrue([for each in google_secret_manager_secret.staging : each.replication[0].user_managed[0].replicas[0].location == "europe-west3"])
    error_message = "the key is of the region, so staged keys are"
  }
}

run "a_key_is_where_all_the_rest_is" {
  command = plan

  variables {
    kms_key = "projects/acme-keys/locations/global/keyRings/rotator/cryptoKeys/rotator"
  }
  expect_failures = [var.kms_key]
}

run "a_gardens_token_is_renewed_by_the_reader_alone" {
  variables {
    garden_tokens = ["live", "canary"]
  }
  assert {
    condition     = toset([for each in google_secret_manager_secret.garden_token : each.secret_id]) == toset(["rotator-acme-caches-garden-live", "rotator-acme-caches-garden-canary"])
    error_message = "a secret for each Garden's token"
  }
  assert {
    condition     = length(google_secret_manager_secret_iam_member.garden_token) == 6 && contains(google_project_iam_custom_role.garden_token["reader"].permissions, "secretmanager.versions.add")
    error_message = "all three read it, the reader adds the next"
  }
  assert {
    condition     = toset(google_project_iam_custom_role.garden_token["minter"].permissions) == toset(["secretmanager.versions.access"])
    error_message = "who works with a token only reads it"
  }
}

run "a_garden_is_named_as_in_the_configuration" {
  command = plan

  variables {
    garden_tokens = ["projects/acme/secrets/live"]
  }
  expect_failures = [var.garden_tokens]
}
