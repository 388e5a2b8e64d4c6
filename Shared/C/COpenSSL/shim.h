#pragma once
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// SHA-1 whose state is a plain value: an HMAC's two keyed states are made once and copied for each packet, where OpenSSL 3.0's
// EVP_MAC allocates twice a packet. The functions are deprecated, not gone; being called here, they warn nobody.
static inline int copenssl_sha1_init(SHA_CTX *state) { return SHA1_Init(state); }
static inline int copenssl_sha1_update(SHA_CTX *state, const void *bytes, size_t count) {
    return SHA1_Update(state, bytes, count);
}
static inline int copenssl_sha1_final(unsigned char *digest, SHA_CTX *state) { return SHA1_Final(digest, state); }
