// libsrtp2, as a second opinion in tests.
#pragma once
#include <srtp2/srtp.h>
#include <string.h>

// A session for all SSRCs of one direction; the key is master key, then master salt. NULL if libsrtp2 refuses.
static inline srtp_t csrtp_create(unsigned int profile, unsigned char *key, int seals) {
    static int ready;
    if (!ready) {
        if (srtp_init() != srtp_err_status_ok) return NULL;
        ready = 1;
    }
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    srtp_profile_t number = (srtp_profile_t)profile;
    if (srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, number) != srtp_err_status_ok) return NULL;
    if (srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, number) != srtp_err_status_ok) return NULL;
    policy.ssrc.type = seals ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key;
    policy.window_size = 1024;
    srtp_t session;
    return srtp_create(&session, &policy) == srtp_err_status_ok ? session : NULL;
}
