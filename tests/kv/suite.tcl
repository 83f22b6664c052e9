#!/usr/bin/env tclsh
# Runs those tests of Redis's own suite that use only commands that kv has: suite.tcl FOLDER PORT, where FOLDER is a
# checkout of Redis 7.0, and kv listens on PORT. Prints each test that fails. A test that asks for a command, a
# subcommand, a setting or a type that kv does not have, or for a server with other options, is not counted.
# SPDX-License-Identifier: BSD-3-Clause
lassign $argv folder port
cd $folder
foreach file {redis util test} { source tests/support/$file.tcl }
set ::files {protocol keyspace expire multi pubsub scan info limits type/string type/incr}
set ::lacks {{*unknown command*} {*unknown subcommand*} {*invalid command name*} {*DB index is out of range*}}
array set ::tally {passed 0 failed 0 left 0}
foreach {name value} {host 127.0.0.1 tls 0 valgrind 0 verbose 0 traceleaks 0 external 1 accurate 0 denytags {} singledb 1
    cluster_mode 0 force_resp3 0 large_memory 0 num_tests 0 num_passed 0 num_failed 0 skiptests {} single_tests {}
    log_req_res 0 durable 0 baseport 0 dump_logs 0 stop_on_failure 0 no_latency 1 allowtags {} global_overrides {}} {
    set ::$name $value
}
set ::port $port
set ::tlsdir {}

proc client_new {deferred} {
    set client [redis $::host $::port $deferred 0]
    lappend ::clients $client
    return $client
}
proc clients_close {} {
    foreach client $::clients { catch { $client close } }
    set ::clients {}
}
proc redis_client args { client_new 0 }
proc redis_deferring_client args { client_new 1 }
proc r args {
    if {[string is integer -strict [lindex $args 0]]} { set args [lrange $args 1 end] }
    if {[lindex $args 0] eq "flushdb"} { set args flushall }
    $::client {*}$args
}
proc s args {
    set found [getInfoProperty [r info] [lindex $args end]]
    if {$found eq {}} { error "unknown command: INFO [lindex $args end]" }
    return $found
}
proc srv args {
    array set known [list client $::client port $::port host $::host]
    if {[lindex $args end] ni [array names known]} { needs }
    return $known([lindex $args end])
}
proc tags {names code} { uplevel 1 $code }
proc start_server {options code} { if {![string match *maxclients* $options]} { uplevel 1 $code } }
proc needs args { error "unknown command: the suite needs another server" }
foreach name {start_cluster start_multiple_servers assert_encoding assert_refcount debug_sleep config_set config_get_set
    debug_digest_value debug_digest waitForBgsave createComplexDataset wait_lazyfree_done reconnect resume_process} {
    proc $name args { needs }
}
proc assert_type {type key} { assert_equal $type [r type $key] }

proc lacks {text} {
    foreach pattern $::lacks { if {[string match -nocase $pattern $text]} { return 1 } }
    return 0
}

proc test {name code {wanted undefined} {tags {}}} {
    clients_close
    set ::client [client_new 0]
    set failed [catch { uplevel 1 $code } got]
    if {$failed == 2} { set failed 0 }
    if {!$failed && $wanted ne "undefined" && $got ne $wanted && ![string match $wanted $got]} {
        set failed 1
        set got "'$got' instead of '$wanted'"
    }
    set kind [expr {!$failed ? "passed" : [lacks $got] ? "left" : "failed"}]
    incr ::tally($kind)
    if {$kind eq "failed"} { puts "$::file: $name: [string range $got 0 200]" }
}

# In a procedure, since the files use variables of their own.
proc run_file {file} {
    set ::file $file
    set ::client [client_new 0]
    r flushall
    if {[catch { source tests/unit/$file.tcl } problem]} { puts "$file: is left at: [string range $problem 0 100]" }
}

set ::clients {}
foreach file $::files { run_file $file }
puts "kv: $::tally(passed) tests of Redis passed, $::tally(failed) failed, $::tally(left) use what kv does not have"
exit [expr {$::tally(failed) > 0}]
