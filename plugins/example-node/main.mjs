// The channel of plugins/example in JavaScript, by the wire contract alone: MAPPING.md there says what becomes of each
// field, state and code. serve.mjs is what has nothing to do with this channel.
import { createHmac, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { serve } from './serve.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const accountSchema = readFileSync(new URL('../example/account.schema.json', import.meta.url))

const accounts = new Map() // by name: {generation, mchid, base, apiKey, keys}
const maxBody = 1 << 20

function describe () {
  return {
    name: 'example-node',
    version: '0.1.0',
    description: 'The example channel, in JavaScript: the payer scans a code',
    hand_off_kinds: ['qr_code'],
    account_schema: accountSchema,
    renewable: true,
    notification_auth: 'NOTIFICATION_AUTH_BODY',
    close_support: 'CLOSE_SUPPORT_FULL',
    expiry: 'EXPIRY_ENFORCED'
  }
}

function configure (r) {
  const held = accounts.get(r.account)
  const answer = a => ({ generation: a.generation, mchid: a.mchid })
  if (held && held.generation > (r.generation ?? 0)) return answer(held)
  const errors = []
  const wrong = (field, message) => errors.push({ field, message })
  let c = null
  try {
    c = JSON.parse(r.config)
  } catch {}
  if (c === null || typeof c !== 'object') return { errors: [{ field: '', message: 'is no JSON object' }] }
  if (!c.mchid) wrong('/mchid', 'is missing: give the merchant number')
  if (!c.api_key) wrong('/api_key', 'is missing: give the key that signs calls')
  const keys = new Map()
  for (const [id, text] of Object.entries(c.provider_keys ?? {})) {
    const raw = Buffer.from(text, 'base64')
    if (raw.length === 32) {
      keys.set(id, createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') } }))
    } else {
      wrong('/provider_keys/' + id, 'is no Ed25519 public key: give its 32 bytes in base64')
    }
  }
  if (keys.size === 0) wrong('/provider_keys', 'is empty: nothing that the provider says could be verified')
  if (errors.length > 0) return { errors }
  const account = {
    generation: r.generation ?? 0, mchid: c.mchid, apiKey: c.api_key, keys, base: r.mode?.base_url || 'http://127.0.0.1:9082'
  }
  accounts.set(r.account, account)
  return answer(account)
}

// Refused is the provider's signed no; Unverified is anything whose signature does not hold.
class Refused extends Error {
  constructor ({ code, message }) {
    super(message)
    this.code = code
  }
}
class Unverified extends Error {
  constructor (cause, message) {
    super(message)
    this.refusal = cause
  }
}

// open verifies what the provider says and gives the words that it signed. Nothing of them is read before.
function open (account, text) {
  let signed
  try {
    signed = JSON.parse(text)
  } catch {}
  const signature = Buffer.from(String(signed?.signature ?? ''), 'base64')
  if (typeof signed?.payload !== 'string' || signature.length !== 64) {
    throw new Unverified('REFUSED_CAUSE_SIGNATURE', 'the signature does not fit')
  }
  const key = account.keys.get(signed.key_id)
  if (!key) throw new Unverified('REFUSED_CAUSE_UNKNOWN_SERIAL', 'the key is not configured: add it to provider_keys')
  if (!verify(null, Buffer.from(signed.payload), key, signature)) {
    throw new Unverified('REFUSED_CAUSE_SIGNATURE', 'the signature does not fit')
  }
  return signed.payload
}

async function call (account, path, request, signal) {
  const body = JSON.stringify(request)
  const answer = await fetch(account.base + path, {
    method: 'POST',
    body,
    signal,
    redirect: 'error',
    headers: {
      'Content-Type': 'application/json',
      'X-Merchant': account.mchid,
      'X-Signature': createHmac('sha256', account.apiKey).update(body).digest('hex')
    }
  })
  const text = await answer.text()
  if (text.length > maxBody) throw new Error('the answer is too long')
  const said = JSON.parse(open(account, text))
  if (answer.status !== 200) throw new Refused(said)
  return said
}

const reasons = {
  BAD_FIELD: 'INVALID_REQUEST', TOO_MUCH: 'INVALID_REQUEST', DECLINED: 'DECLINED', NO_TRADE: 'NOT_FOUND', NO_REFUND: 'NOT_FOUND',
  NUMBER_USED: 'CONFLICT', TRADE_CLOSED: 'CONFLICT', SLOW_DOWN: 'RATE_LIMITED', BAD_SIGNATURE: 'AUTH', BUSY: 'UNAVAILABLE'
}

// failed is what a call that ended with an error means: only the provider's signed no is REJECTED.
function failed (err) {
  if (err instanceof Refused && reasons[err.code]) {
    return { verdict: 'VERDICT_REJECTED', reason: 'REASON_' + reasons[err.code], code: err.code, message: err.message }
  }
  if (['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'].includes(err.cause?.code)) {
    return { verdict: 'VERDICT_NOT_SENT', reason: 'REASON_UNAVAILABLE', message: 'example: ' + err.cause.code }
  }
  return { verdict: 'VERDICT_INDETERMINATE', message: 'example: ' + err.message }
}

const time = seconds => seconds ? { seconds, nanos: 0 } : undefined

const tradeStates = { WAITING: 'PENDING', PAID: 'SUCCEEDED', CLOSED: 'CLOSED', REFUNDED: 'REFUNDED' }
const paymentFacts = t => ({
  state: 'PAYMENT_STATE_' + (tradeStates[t.state] ?? 'UNSPECIFIED'),
  provider_state_name: t.state,
  number: t.number,
  mchid: t.merchant,
  app_id: t.store,
  amount: { minor: t.amount, currency: t.currency },
  paid_at: time(t.paid_at),
  provider_id: t.id
})

const refundStates = { GOING: 'PROCESSING', ARRIVED: 'SUCCEEDED' }
const refundFacts = r => ({
  state: 'REFUND_STATE_' + (refundStates[r.state] ?? 'UNSPECIFIED'),
  provider_state_name: r.state,
  number: r.refund,
  payment_number: r.number,
  mchid: r.merchant,
  amount: { minor: r.amount, currency: r.currency },
  provider_id: r.id,
  succeeded_at: time(r.arrived_at)
})

// asks is a call of the contract that makes one request to the provider, by the route's account.
const asks = (path, request, accepted) => async (r, signal) => {
  const route = r.call?.route ?? {}
  const account = accounts.get(route.account)
  if (!account || account.mchid !== route.mchid) {
    const message = `account ${route.account} is not configured with merchant number ${route.mchid}`
    return { outcome: { verdict: 'VERDICT_NOT_SENT', reason: 'REASON_AUTH', message } }
  }
  try {
    return { outcome: { verdict: 'VERDICT_ACCEPTED' }, ...accepted(await call(account, path, request(r, route), signal), r) }
  } catch (err) {
    return { outcome: failed(err) }
  }
}

const ofTrade = t => ({ facts: paymentFacts(t) })
const ofRefund = f => ({ facts: refundFacts(f) })

const createPayment = asks('/create', (r, route) => ({
  number: r.number,
  store: route.app_id,
  amount: r.amount?.minor,
  currency: r.amount?.currency,
  subject: r.description,
  expires_at: r.time_expire?.seconds,
  notify_url: route.notify_url
}), (t, r) => ({
  ...ofTrade(t),
  hand_off: { kind: 'qr_code', params: Buffer.from(JSON.stringify({ content: t.code })), valid_until: r.time_expire }
}))

function parseNotification (n) {
  const answers = {
    ack: { content_type: 'application/json', body: Buffer.from('{"result":"ok"}') },
    nack: { content_type: 'application/json', body: Buffer.from('{"result":"again"}') }
  }
  const refuse = (cause, detail) => ({ refused: { cause, detail }, ...answers })
  const account = accounts.get(n.account)
  if (!account) return refuse('REFUSED_CAUSE_ACCOUNT', `account ${n.account} is not configured`)
  let payload
  try {
    payload = open(account, n.body ?? '')
  } catch (err) {
    return refuse(err.refusal ?? 'REFUSED_CAUSE_SIGNATURE', err.message)
  }
  let told
  try {
    told = JSON.parse(payload)
  } catch {}
  if (!told?.id || told.id.length > 128) return refuse('REFUSED_CAUSE_MALFORMED', 'it is signed and not a notification')
  if (told.trade) return { payment: paymentFacts(told.trade), dedupe_key: told.id, ...answers }
  if (told.refund) return { refund: refundFacts(told.refund), dedupe_key: told.id, ...answers }
  return refuse('REFUSED_CAUSE_MALFORMED', 'it is about neither a payment nor a refund')
}

// answering turns a function into a handler: its signal ends with the call, cancelled or past its deadline.
const answering = f => async (call, answer) => {
  const gone = new AbortController()
  call.on('cancelled', () => gone.abort())
  try {
    answer(null, await f(call.request, gone.signal))
  } catch (err) {
    process.stderr.write(JSON.stringify({ '@level': 'error', '@message': 'a call failed', error: err.name }) + '\n')
    answer({ code: 13, details: 'a bug of the plugin: ' + err.name })
  }
}

const provider = {
  Describe: describe,
  Configure: configure,
  CreatePayment: createPayment,
  QueryPayment: asks('/query', r => ({ number: r.number }), ofTrade),
  ClosePayment: asks('/close', r => ({ number: r.number }), ofTrade),
  CreateRefund: asks('/refund', r => ({ number: r.payment_number, refund: r.number, amount: r.amount?.minor, notify_url: r.notify_url }), ofRefund),
  QueryRefund: asks('/query-refund', r => ({ number: r.payment_number, refund: r.number }), ofRefund),
  ParseNotification: parseNotification
}

await serve(root, { Provider: Object.fromEntries(Object.entries(provider).map(([name, f]) => [name, answering(f)])) })
