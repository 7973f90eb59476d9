// For tests: an authority, and certificates it signs, as PEM files in a directory of its own.
#pragma once

#include <filesystem>
#include <string>

namespace noroshi::testing {

// Files exist as long as this does. Every call makes new keys (EC P-256: quick).
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  struct Files {
    std::string certificate, key;
  };
  // Of the authority: what `tls.ca_file` takes.
  [[nodiscard]] const std::string& authority() const { return authority_; }
  // For that DNS name ("localhost" also gets 127.0.0.1 and ::1). With a password the key is
  // encrypted. `valid_seconds` may be negative: expired.
  [[nodiscard]] Files issue(const std::string& name, const std::string& password = {},
                            long valid_seconds = 3600);

 private:
  std::filesystem::path directory_;
  std::string authority_;
  struct Authority;
  Authority* key_and_certificate_;
  int serial_ = 1;
};

}  // namespace noroshi::testing
