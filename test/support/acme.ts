/** A certificate authority that speaks ACME (pebble), on a machine of tests, and requests that trust its certificates. */

import { get, request } from "node:https";
import { limit } from "./load";
import type { Machine } from "./machines";

/** The directory of the authority, as seen on the machine. */
export const ACME = "https://localhost:14000/dir";

const config = {
  pebble: {
    listenAddress: "0.0.0.0:14000",
    managementListenAddress: "0.0.0.0:15000",
    certificate: "/root/acme/server.pem",
    privateKey: "/root/acme/server.key",
    httpPort: 80,
    tlsPort: 443,
  },
};

/**
 * Programs on the machine trust the connection to the authority, as after update-ca-certificates, which starts four processes
 * for each authority in the world.
 */
const SET_UP = `set -e
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends pebble >/dev/null
mkdir -p /root/acme; cd /root/acme; cat >config.json
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem -subj "/CN=authority of this test" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost 2>/dev/null
echo subjectAltName=DNS:localhost >names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.pem 2>/dev/null
cp ca.pem /usr/local/share/ca-certificates/acme.crt; cat ca.pem >>/etc/ssl/certs/ca-certificates.crt
systemd-run -q --unit pebble -E PEBBLE_VA_NOSLEEP=1 -E PEBBLE_WFE_NONCEREJECT=0 pebble -config /root/acme/config.json
until : >/dev/tcp/127.0.0.1/15000; do sleep 0.1; done 2>/dev/null`;

/** Starts the authority on `machine`, which is also reached by `names` there. */
export async function startAuthority(machine: Machine, names: readonly string[]): Promise<void> {
  const hosts = `echo 127.0.0.1 ${names.join(" ")} >>/etc/hosts`;
  await machine.run(`${hosts}; bash -c '${SET_UP}'`, { input: JSON.stringify(config), timeout: limit(300) });
}

/** The certificate at the root of all that the authority on `machine` has issued since it was started. */
export const rootOf = (machine: Machine): Promise<string> =>
  new Promise((resolve, reject) => {
    // The connection to the authority itself is not what is tested.
    const options = { host: machine.address, port: 15000, path: "/roots/0", rejectUnauthorized: false };
    get(options, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });

/** What `name` answers on `machine`, over a connection that only the authority `ca` makes trusted. */
export const securely = (machine: Machine, name: string, ca: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = { host: machine.address, servername: name, ca, headers: { host: name }, agent: false };
    request(options, (response) => {
      let text = `${response.statusCode} `;
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
    })
      .on("error", reject)
      .end();
  });
