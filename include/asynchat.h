/* libasynchat: Python's asynchat in C, on libevent's bufferevents. This header
 * includes all the others. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_H
#define ASYNCHAT_H

#include <asynchat/batch.h>
#include <asynchat/block.h>
#include <asynchat/channel.h>
#include <asynchat/client.h>
#include <asynchat/connect.h>
#include <asynchat/detach.h>
#include <asynchat/error.h>
#include <asynchat/framer.h>
#include <asynchat/framing.h>
#include <asynchat/hooks.h>
#include <asynchat/layer.h>
#include <asynchat/log.h>
#include <asynchat/options.h>
#include <asynchat/pair.h>
#include <asynchat/post.h>
#include <asynchat/producer.h>
#include <asynchat/proxy.h>
#include <asynchat/rate.h>
#include <asynchat/resolver.h>
#include <asynchat/server.h>
#include <asynchat/slot.h>
#include <asynchat/stats.h>
#include <asynchat/transcript.h>
#include <asynchat/version.h>
#include <asynchat/workers.h>

#endif
