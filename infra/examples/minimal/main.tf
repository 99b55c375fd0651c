# One account, keyless access to the Gardens (google_audience in rotator.toml).

provider "google" {
  project = "acme-rotator"
  region  = "europe-west3"
}

module "rotator" {
  source = "../.."

  project        = "acme-rotator"
  region         = "europe-west3"
  installation   = "acme-caches"
  source_archive = "${path.root}/../../../build/rotator.zip"

  accounts = {
    puller-acme-prod = { email = "puller@acme-prod.iam.gserviceaccount.com", project = "acme-prod" }
  }
}

output "next" {
  value = module.rotator.next
}
