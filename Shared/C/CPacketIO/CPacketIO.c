// Glue that Swift cannot import: see include/CPacketIO.h.
#include "CPacketIO.h"
