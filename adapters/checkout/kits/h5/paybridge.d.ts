/** Types of paybridge.js 1.1.0. As a script it is the global `PayBridge`; a bundler gets the same as the module's exports. */

export as namespace PayBridge;

export const version: string;

/** Where the page runs. `wechat_other` is WeChat Work or WeChat on a desktop, where an official account's page cannot pay. */
export type Environment = "official_account" | "miniprogram" | "wechat_other" | "browser";

/** Tells where the page runs. Inside WeChat it may take up to 6 s, since old versions tell late. */
export function environment(): Promise<Environment>;

/** `hand_off` of the gateway's answer to `POST /v1/orders/{number}/payments`, passed on by your server as it is. */
export interface HandOff {
  kind: "wechat_jsapi" | "wechat_medins" | "miniprogram_page" | "redirect_url" | string;
  params: Record<string, unknown>;
  valid_until?: string;
}

/** `state` of the order in the gateway's answers. */
export type OrderState = "open" | "closing" | "closed" | "paid" | "partially_refunded" | "refunded" | string;

export interface PayOptions {
  /** Asks your server for the order's state at the gateway. Called many times; a rejection counts as "not known yet". */
  ask: () => OrderState | Promise<OrderState>;
  /** How long to ask after the payer is back, in milliseconds. 30 000 unless given. */
  patience?: number;
  /**
   * For `wechat_medins`: what wx.config takes for this page, from `POST /v1/page-signatures` for its address without the fragment.
   */
  config?: PageConfig;
}

export interface PageConfig {
  appId: string;
  timestamp: number;
  nonceStr: string;
  signature: string;
}

export interface PayResult {
  /**
   * What the server said: `paid`, `closed` (it can't be paid any more), `unpaid` (the payer may try again), or
   * `unconfirmed`: nobody knows yet. Show "being confirmed" and ask later; do not offer to pay again.
   */
  state: "paid" | "closed" | "unpaid" | "unconfirmed";
  /** What the payer's client claimed. For wording only ("cancelled"): it proves nothing. Absent where it said nothing. */
  said?: "ok" | "cancel" | "fail";
  /** WeChat's own words, for a log. */
  message?: string;
}

/**
 * Pays. Resolves by what your server says, whatever the client claims, and rejects with a PayBridgeError when the payment
 * could not even begin. While one runs, a second call with the same hand-off gets the first one's result; one with another
 * hand-off ends the first as `unconfirmed`.
 */
export function pay(handOff: HandOff, options: PayOptions): Promise<PayResult>;

/**
 * In a web-view: opens a native page of the mini program around it, such as `/pages/paybridge/pay?ticket=…`. ASCII only.
 * Where the page stack is full, the native page takes this page's place.
 */
export function toMiniProgram(url: string): Promise<void>;

export class PayBridgeError extends Error {
  /**
   * `wrong_place`: not inside WeChat. `wrong_way`: inside WeChat, but this hand-off is for another place. `unknown_kind`:
   * this version does not know the hand-off. `bad_hand_off`: a parameter is missing. `no_bridge`: WeChat did not answer.
   * `no_mini_program`: the native page did not open. `not_config`: WeChat refuses the page's signature. `old_wechat`: this WeChat
   * does not know medical insurance (8.0.44 and later do).
   */
  code: "wrong_place" | "wrong_way" | "unknown_kind" | "bad_hand_off" | "no_bridge" | "no_mini_program" | "not_config" | "old_wechat";
  /** For people who look for the cause; `message` is for the payer, in Chinese or English. */
  detail: string;
}
