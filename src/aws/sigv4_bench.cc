// What signing costs: the SHA-256 of a body of PutLogEvents or PutObject, and the rest of a
// signature. The floor is OpenSSL's digest without us.
//   ./dev bench micro aws [--benchmark_filter=…]
#include "aws/sigv4.h"

#include <openssl/evp.h>

#include "record/bench_record.h"

namespace noroshi {
namespace {

struct Body {
  uint32_t records = 0;
  std::string bytes = bench::ndjson(1 << 20, records);
};
const Body& body() {
  static const Body made;
  return made;
}

void StepBodyHash(benchmark::State& state) {
  (void)body();
  for (auto _ : state) benchmark::DoNotOptimize(sha256_hex(body().bytes).data());
  bench::report(state, body().bytes.size(), body().records);
}
BENCHMARK(StepBodyHash);

void FloorEvpSha256(benchmark::State& state) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  for (auto _ : state) {
    EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
    EVP_DigestUpdate(context, body().bytes.data(), body().bytes.size());
    EVP_DigestFinal_ex(context, digest, &size);
    benchmark::DoNotOptimize(digest);
  }
  EVP_MD_CTX_free(context);
  bench::report(state, body().bytes.size(), body().records);
}
BENCHMARK(FloorEvpSha256);

void FloorCopyBody(benchmark::State& state) { bench::copy(state, body().bytes, body().records); }
BENCHMARK(FloorCopyBody);

// Once for each request, whatever its size.
void SignRequest(benchmark::State& state) {
  SigV4Signer signer("logs", "ap-northeast-1");
  const Credentials credentials{.access_key_id = "AKIDEXAMPLE",
                                .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                .session_token = std::string(800, 't')};
  const std::string hash = sha256_hex("");
  for (auto _ : state) {
    HttpRequest request;
    request.method = "POST";
    request.url = "https://logs.ap-northeast-1.amazonaws.com/";
    request.headers.set("Content-Type", "application/x-amz-json-1.1");
    request.headers.set("X-Amz-Target", "Logs_20140328.PutLogEvents");
    if (!signer.sign(request, credentials, bench::kTime, hash)) std::abort();
    benchmark::DoNotOptimize(request.headers);
  }
}
BENCHMARK(SignRequest);

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
