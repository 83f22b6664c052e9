# Perl's Redis: client.pl PORT. SPDX-License-Identifier: BSD-3-Clause
use strict;
use warnings;
use Redis;

$| = 1;
my $r = Redis->new(server => "127.0.0.1:$ARGV[0]", encoding => undef, reconnect => 10, every => 50_000);
my $subscriber = Redis->new(server => "127.0.0.1:$ARGV[0]", encoding => undef, reconnect => 10, every => 50_000);

sub show {
    return join ' ', map { !defined ? 'undef' : ref eq 'ARRAY' ? '[' . show(@$_) . ']' : $_ } @_;
}
sub say_that { my $what = shift; print "$what: ", show(@_), "\n"; }
sub tell_judge { print "$_[0]\n"; <STDIN>; }

# What came, or the error.
sub attempt {
    my ($what, $name, @words) = @_;
    my @got = eval { $r->$name(@words) };
    my $problem = $@;
    $problem =~ s/,?\s+at .*//s;
    say_that($what, $problem ? "error $problem" : @got);
}

attempt('flushall', 'flushall');
attempt('ping', 'ping');
attempt('set', 'set', 'a', 1);
attempt('get', 'get', 'a');
attempt('get none', 'get', 'none');
attempt('incr', 'incr', 'a');
attempt('incrby', 'incrby', 'a', 5);
attempt('set nx', 'set', 'a', 2, 'NX');
attempt('set get', 'set', 'a', 2, 'GET');
attempt('setex', 'setex', 't', 100, 'x');
say_that('ttl', $r->ttl('t') > 90);
attempt('mset', 'mset', 'm1', 1, 'm2', 2);
attempt('mget', 'mget', 'm1', 'm2', 'none');
attempt('append', 'append', 'm1', 'more');
attempt('strlen', 'strlen', 'm1');
attempt('exists', 'exists', 'm1');
attempt('type', 'type', 'm1');
attempt('setnx', 'setnx', 'm1', 1);
attempt('getset', 'getset', 'm1', 1);
say_that('keys', sort $r->keys('m*'));
my $every_byte = join('', map { chr } 0 .. 255) x 4000;
attempt('set big', 'set', 'big', $every_byte);
say_that('get big', $r->get('big') eq $every_byte);
attempt('not a number', 'incr', 'big');
attempt('unknown', 'nosuch', 'a', 'b');
attempt('arguments', 'get');
attempt('del', 'del', 'big', 'none');
my ($cursor, @found) = (0);
do { ($cursor, my $keys) = $r->scan($cursor, 'MATCH', 'm?', 'COUNT', 1); push @found, @$keys; } while $cursor;
say_that('scan', sort @found);
attempt('dbsize', 'dbsize');
attempt('client_setname', 'client_setname', 'me');
attempt('client_getname', 'client_getname');
attempt('config_get', 'config_get', 'appendonly');
say_that('info', $r->info->{redis_version}, $r->info->{role});

# Pipelines are made of callbacks.
my (@got, @errors);
for my $i (0 .. 999) {
    $r->set("p$i", $i, sub { push @errors, $_[1] if defined $_[1]; });
    $r->get("p$i", sub { push @got, $_[0]; });
}
$r->incr('m2', sub { push @got, $_[0]; });
$r->set('text', 'x', sub { });
$r->incr('text', sub { push @errors, $_[1]; });
$r->wait_all_responses;
say_that('pipeline', scalar @got, "@got[0 .. 999]" eq join(' ', 0 .. 999), $got[-1], @errors);

attempt('multi', 'multi');
attempt('queued', 'set', 'n', 1);
attempt('queued', 'incr', 'n');
attempt('queued', 'mget', 'n', 'none');
attempt('exec', 'exec');
attempt('multi', 'multi');
attempt('queued', 'incr', 'text');
attempt('exec', 'exec');
attempt('multi', 'multi');
attempt('unknown is not queued', 'nosuch');
attempt('exec', 'exec');
attempt('watch', 'watch', 'n');
$subscriber->set('n', 10);
attempt('multi', 'multi');
attempt('queued', 'incr', 'n');
attempt('exec', 'exec');
attempt('multi', 'multi');
attempt('discard', 'discard');

# Topics.
my @messages;
my $heard = sub { my ($message, $topic, $subscribed) = @_; say_that('message', length $message, $topic, $subscribed); };
$subscriber->subscribe('a', 'b', $heard);
$subscriber->psubscribe('a*', $heard);
attempt('publish', 'publish', 'a', "\0\r\n\xff");
attempt('publish', 'publish', 'b', 'x' x 100000);
my $heard_so_far = 0;
$heard_so_far += $subscriber->wait_for_messages(0.1) while $heard_so_far < 3;
$subscriber->unsubscribe('b', $heard);
attempt('publish', 'publish', 'b', 'nobody');

for my $how ('stop', 'kill') {
    tell_judge($how);
    tell_judge('start');
    attempt('it is new', 'get', 'a');
    attempt('set', 'set', 'a', 1);
    # The subscriber comes back when it looks for messages.
    my $count = 0;
    until ($r->publish('ab', 'again')) { $count += $subscriber->wait_for_messages(0.1); }
    $count += $subscriber->wait_for_messages(0.1) while $count < 1;
}
$r->quit;
print "done\n";
