#include "net/testing/test_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace noroshi::testing {

struct TestCertificates::Authority {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

namespace {

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  CHECK(extension != nullptr, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* make_certificate(const std::string& name, EVP_PKEY* key, int serial, long valid_seconds) {
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), valid_seconds);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

template <typename Write>
void write_file(const std::string& path, Write write) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  CHECK(file != nullptr, path);
  const int written = write(file);
  std::fclose(file);
  CHECK(written == 1, path);
}

}  // namespace

TestCertificates::TestCertificates() : key_and_certificate_(new Authority) {
  std::string pattern = (std::filesystem::temp_directory_path() / "noroshi-tls-XXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  authority_ = directory_ / "authority.pem";
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = make_certificate("noroshi test authority", key, serial_++, 7200);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0, "cannot sign");
  *key_and_certificate_ = {key, certificate};
  write_file(authority_, [&](std::FILE* file) { return PEM_write_X509(file, certificate); });
}

TestCertificates::~TestCertificates() {
  X509_free(key_and_certificate_->certificate);
  EVP_PKEY_free(key_and_certificate_->key);
  delete key_and_certificate_;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

TestCertificates::Files TestCertificates::issue(const std::string& name,
                                                const std::string& password, long valid_seconds) {
  const std::string stem = directory_ / (std::to_string(serial_) + "-" + name);
  const Files files{stem + ".crt", stem + ".key"};
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = make_certificate(name, key, serial_++, valid_seconds);
  X509* const issuer = key_and_certificate_->certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  add_extension(certificate, issuer, NID_basic_constraints, "CA:FALSE");
  add_extension(certificate, issuer, NID_subject_alt_name,
                name == "localhost" ? "DNS:localhost,IP:127.0.0.1,IP:::1" : "DNS:" + name);
  add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
  CHECK(X509_sign(certificate, key_and_certificate_->key, EVP_sha256()) > 0, "cannot sign");
  write_file(files.certificate, [&](std::FILE* file) { return PEM_write_X509(file, certificate); });
  write_file(files.key, [&](std::FILE* file) {
    return PEM_write_PrivateKey(
        file, key, password.empty() ? nullptr : EVP_aes_256_cbc(),
        password.empty() ? nullptr : reinterpret_cast<const unsigned char*>(password.c_str()),
        static_cast<int>(password.size()), nullptr, nullptr);
  });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace noroshi::testing
