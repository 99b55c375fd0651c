locals {
  indent = "                                                   "
}

output "next" {
  description = "What to do now, in order."
  value       = <<-EOT
    1. The Garden side, for each Garden:               ${join("\n${local.indent}", [for who, each in google_service_account.this : "rotator rbac GARDEN --for ${who} --user ${each.email} | kubectl apply -f -"])}
       (with google_audience; the Garden's operator may prefix user names)
    %{~for garden in var.garden_tokens}
       Garden ${garden} by a token, all three as one:
         kubectl --namespace NAMESPACE create serviceaccount registry-key-rotator
         rotator rbac ${garden} --kubeconfig ADMIN.yaml | kubectl apply -f -
         kubectl --namespace NAMESPACE create token registry-key-rotator --duration 720h | gcloud secrets versions add ${google_secret_manager_secret.garden_token[garden].secret_id} --project ${var.project} --data-file=-
    %{~endfor}
    2. Is everything there?                            ${join(" ", [for name, fact in local.environment : "${name}=${fact}" if startswith(name, "ROTATOR_") && name != "ROTATOR_CONFIG"])} rotator doctor
    3. The first look:                                 gcloud scheduler jobs run ${google_cloud_scheduler_job.schedule.name} --project ${var.project} --location ${var.region}
    4. What it found:                                  gcloud logging read 'jsonPayload.kind="credential"' --project ${var.project} --freshness 10m
    5. The first rotation by hand:                     curl -H "Authorization: Bearer $(gcloud auth print-identity-token)" -H 'Content-Type: application/json' \
                                                         ${google_cloudfunctions2_function.this["api"].service_config[0].uri}/rotations -d '{"credential": "...", "reason": "the first one"}'
  EOT
}

output "identities" {
  description = "The service accounts of this installation, by what they do."
  value       = { for who, each in google_service_account.this : who => each.email }
}

output "environment" {
  description = "For the command on your machine: it reads the same books."
  value       = local.environment
}
