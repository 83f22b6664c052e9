// What the clients for Node have in common. SPDX-License-Identifier: BSD-3-Clause
const {inspect} = require('util');
const readline = require('readline');

const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();

const show = (value) => inspect(value, {depth: 9, breakLength: Infinity, maxStringLength: 300, maxArrayLength: 50});
const say = (what, value) => console.log(`${what}: ${show(value).replaceAll('[Object: null prototype] ', '')}`);

// Says what came, or which error.
const attempt = async (what, asked) => {
    try {
        say(what, await (typeof asked === 'function' ? asked() : asked));
    } catch (error) {
        say(what, `${error.constructor.name}: ${error.message}`);
    }
};

// Asks judges.py.
const tell = async (word) => {
    console.log(word);
    await lines.next();
};

// Events, each of which is waited for.
class Heard {
    #events = [];
    #wake = () => {};
    put(...event) {
        this.#events.push(event);
        this.#wake();
    }
    async say(what, count = 1) {
        for (; count > 0; count--) {
            while (this.#events.length === 0) await new Promise((resolve) => { this.#wake = resolve; });
            say(what, this.#events.shift());
        }
    }
}

const EVERY_BYTE = Buffer.concat(Array(4000).fill(Buffer.from(Array.from({length: 256}, (_, i) => i))));

// The server ends in a way, and starts when all clients have noticed; the event says so. What is asked meanwhile waits.
const comeBack = async (how, clients, event, ask) => {
    const all = (name) => Promise.all(clients.map((client) => new Promise((resolve) => client.once(name, resolve))));
    const gone = all(event), back = all('ready');
    await tell(how);
    await gone;
    const waiting = ask();
    await tell('start');
    await back;
    await attempt('it is new', waiting);
};

// A topic with two listeners, and a long message for one. `publish` takes the topic and the message.
const publishAll = async (publish, heard) => {
    await attempt('publish', publish('a', 'one'));
    await heard.say('heard', 2);
    await attempt('publish', publish('b', 'x'.repeat(100000)));
    await heard.say('heard');
};

// Ends with a failure when something of the program's own goes wrong.
const main = (run) => run().then(() => { console.log('done'); process.exit(0); }, (error) => { console.log(error); process.exit(1); });

module.exports = {EVERY_BYTE, Heard, attempt, comeBack, main, publishAll, say, tell};
