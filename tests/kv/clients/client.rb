# Ruby's redis: client.rb PORT. SPDX-License-Identifier: BSD-3-Clause
require 'redis'

$stdout.sync = true
PORT = ARGV[0].to_i

def connection
  Redis.new(host: '127.0.0.1', port: PORT)
end

def say(what, value)
  puts "#{what}: #{value.inspect}"
end

def tell(word)
  puts word
  $stdin.gets
end

# Says what came, or which error.
def attempt(what)
  say(what, yield)
rescue Redis::BaseError => e
  say(what, "#{e.class}: #{e.message}")
end

r = connection
every_byte = (0..255).to_a.pack('C*') * 4000
attempt('flushall') { r.flushall }
attempt('ping') { r.ping }
attempt('set') { r.set('a', 1) }
attempt('get') { r.get('a') }
attempt('get none') { r.get('none') }
attempt('incr') { r.incr('a') }
attempt('set nx') { r.set('a', 2, nx: true) }
attempt('set get') { r.set('a', 2, get: true) }
attempt('set ex') { r.set('t', 'x', ex: 100) }
attempt('ttl') { r.ttl('t') > 90 }
attempt('expire nx') { r.expire('t', 100, nx: true) }
attempt('persist') { r.persist('t') }
attempt('mset') { r.mset('m1', 1, 'm2', 2) }
attempt('mget') { r.mget('m1', 'm2', 'none') }
attempt('mapped_mget') { r.mapped_mget('m1', 'none') }
attempt('append') { r.append('m1', 'more') }
attempt('strlen') { r.strlen('m1') }
attempt('type') { r.type('m1') }
attempt('exists') { r.exists('m1', 'none', 'm2') }
attempt('setnx') { r.setnx('m1', 1) }
attempt('set big') { r.set('big', every_byte) }
attempt('get big') { r.get('big').b == every_byte }
attempt('not a number') { r.incr('big') }
attempt('unknown') { r.call('NOSUCH', 'a', 'b') }
attempt('arguments') { r.call('GET') }
attempt('keys') { r.keys('m*').sort }
attempt('scan_each') { r.scan_each(match: 'm?', count: 1).to_a.sort }
attempt('del') { r.del('big', 'none') }
attempt('dbsize') { r.dbsize }
attempt('config') { r.config(:get, 'appendonly') }
attempt('info') { r.info('replication')['role'] }
attempt('setname') { r.call('CLIENT', 'SETNAME', 'me') }
attempt('getname') { r.call('CLIENT', 'GETNAME') }

got = r.pipelined { |p| 1000.times { |i| p.set("p#{i}", i); p.get("p#{i}") } }
say('pipeline', [got.size, got.each_slice(2).map(&:last) == (0..999).map(&:to_s)])
attempt('error in a pipeline') { r.pipelined { |p| p.set('text', 'x'); p.incr('text'); p.set('text', 'y') } }
attempt('and what follows it') { r.get('text') }

attempt('multi') { r.multi { |t| t.set('n', 1); t.incr('n'); t.mget('n', 'none') } }
attempt('error in multi') { r.multi { |t| t.set('text', 'z'); t.incr('text') } }
attempt('unknown in multi') { r.multi { |t| t.set('text', 'no'); t.call('NOSUCH') } }
attempt('get') { r.get('text') }
attempt('watch') do
  r.watch('n') do
    connection.set('n', 10)
    r.multi { |t| t.incr('n') }
  end
end
attempt('get') { r.get('n') }
attempt('unwatch') { r.watch('n') { r.unwatch } }

# Subscribes until a message "end" comes; what happens comes in a queue.
def listen(queue)
  subscriber = connection
  subscriber.subscribe('a', 'b') do |on|
    on.subscribe { |topic, count| queue << ['subscribed', topic, count] }
    on.message do |topic, message|
      queue << ['message', topic, message.size, message.b == "\0\r\n\xff".b]
      subscriber.unsubscribe if message == 'end'
    end
    on.unsubscribe { |topic, count| queue << ['unsubscribed', count] }
  end
  queue << ['left']
rescue StandardError # versions and moments differ in which
  queue << ['lost']
end

def heard(queue, count)
  count.times { say('heard', queue.pop) }
end

queue = Queue.new
thread = Thread.new { listen(queue) }
heard(queue, 2)
attempt('publish') { r.publish('a', "\0\r\n\xff") }
attempt('publish') { r.publish('b', 'x' * 100_000) }
attempt('publish') { r.publish('a', 'end') }
heard(queue, 6)
thread.join
patterns = Queue.new
thread = Thread.new do
  connection.psubscribe_with_timeout(5, 'a*') do |on|
    on.psubscribe { |pattern, count| patterns << [pattern, count] }
    on.pmessage { |pattern, topic, message| patterns << [pattern, topic, message]; Thread.exit }
  end
end
heard(patterns, 1)
attempt('publish') { r.publish('ab', 'matched') }
heard(patterns, 1)
thread.join

%w[stop kill].each do |how|
  thread = Thread.new { listen(queue) }
  heard(queue, 2)
  tell(how)
  heard(queue, 1)
  thread.join
  attempt('down') { r.get('a') }
  tell('start')
  attempt('it is new') { r.get('a') }
  attempt('set') { r.set('a', 1) }
  thread = Thread.new { listen(queue) }
  heard(queue, 2)
  attempt('publish') { r.publish('a', 'end') }
  heard(queue, 4)
  thread.join
end
attempt('quit') { r.quit }
puts 'done'
