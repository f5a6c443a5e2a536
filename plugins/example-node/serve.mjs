// What every plugin does that is not written in Go: go-plugin's handshake, mutual TLS, and the health service.
// docs/plugin-protocol.md tells it step by step.
import { randomBytes, webcrypto } from 'node:crypto'
import { rmSync } from 'node:fs'
import path from 'node:path'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const cookie = ['PAYBRIDGE_PLUGIN', 'provider-contract-8f3b1d5ae2c94d07']
const protocol = '1'

// serve starts the services of the contract and says on standard output where. protoRoot is the folder whose
// plugins/proto/providerv1 holds the contract; services are handlers by the service's name.
export async function serve (protoRoot, services) {
  if (process.env[cookie[0]] !== cookie[1]) {
    process.stderr.write('This is a plugin of PayBridge: the gateway starts it. See docs/plugin-protocol.md.\n')
    process.exit(1)
  }
  if (!(process.env.PLUGIN_PROTOCOL_VERSIONS ?? '').split(',').includes(protocol)) {
    process.stderr.write(`The host does not speak version ${protocol} of the contract.\n`)
    process.exit(1)
  }
  leaveWithHost()
  const own = await certificate()
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 4 << 20 })
  for (const [service, handlers] of Object.entries({ ...contract(protoRoot, services), ...health() })) {
    server.addService(handlers.definition, handlers.handlers ?? services[service])
  }
  const credentials = grpc.ServerCredentials.createSsl(
    Buffer.from(process.env.PLUGIN_CLIENT_CERT), [{ private_key: own.key, cert_chain: own.pem }], true)
  const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR ?? '/tmp', 'plugin' + randomBytes(6).toString('hex'))
  await new Promise((resolve, reject) => server.bindAsync('unix:' + socket, credentials, err => err ? reject(err) : resolve()))
  process.on('exit', () => rmSync(socket, { force: true }))
  // CORE-PROTOCOL | APP-PROTOCOL | NETWORK | ADDRESS | grpc | our certificate, DER in base64 without padding
  process.stdout.write(`1|${protocol}|unix|${socket}|grpc|${own.der.toString('base64').replace(/=+$/, '')}\n`)
}

function contract (protoRoot, services) {
  const loaded = grpc.loadPackageDefinition(protoLoader.loadSync(
    ['provider.proto', 'optional.proto'].map(f => path.join('plugins/proto/providerv1', f)),
    { includeDirs: [protoRoot], keepCase: true, longs: Number, enums: String, defaults: false }))
  const all = {}
  for (const name of Object.keys(services)) {
    all[name] = { definition: loaded.paybridge.provider.v1[name].service }
  }
  return all
}

// health is grpc.health.v1.Health as far as the host asks it: service "plugin" is SERVING. Status 1, field 1: 08 01.
function health () {
  const bytes = { requestSerialize: b => b, requestDeserialize: b => b, responseSerialize: b => b, responseDeserialize: b => b }
  return {
    health: {
      definition: { Check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...bytes } },
      handlers: { Check: (_, answer) => answer(null, Buffer.from([0x08, 0x01])) }
    }
  }
}

// certificate is for this process alone: the host gets it over the pipe that it holds, and trusts no other.
async function certificate () {
  x509.cryptoProvider.set(webcrypto)
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const day = 24 * 60 * 60 * 1000
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01' + randomBytes(15).toString('hex'), name: 'CN=localhost', keys, signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 3650 * day),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])
    ]
  })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    der: Buffer.from(cert.rawData),
    pem: Buffer.from(cert.toString('pem')),
    key: Buffer.from(`-----BEGIN PRIVATE KEY-----\n${key.match(/.{1,64}/g).join('\n')}\n-----END PRIVATE KEY-----\n`)
  }
}

// leaveWithHost ends this process when the host was killed: nobody else would.
function leaveWithHost () {
  const host = Number(process.env.PAYBRIDGE_HOST_PID)
  if (!host) return
  setInterval(() => {
    if (process.ppid !== host) process.exit(1)
  }, 1000).unref()
}
