// A wall clock that a test turns: OpenSSL times the retransmissions of DTLS by gettimeofday, whoever drives it.
#pragma once

#include <stdint.h>

// From now on, in the calling thread only, gettimeofday tells this time. Negative: the real one again.
void virtual_time_set(int64_t microseconds);
