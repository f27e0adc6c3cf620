/* What field values need of NVLink. */
#ifndef LAB_LINKS_H
#define LAB_LINKS_H

#include "state.h"

/* A number of one link: its own line, else the line for all links. INVALID_ARGUMENT for a link that does not exist. */
Code link_number(Device device, unsigned link, const char *what, long long *value);

#endif
