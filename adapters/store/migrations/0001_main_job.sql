-- Orders, payments, refunds and what belongs to them. SERIAL stands for the database's own counting key.
-- Times are microseconds since 1970 (UTC), money is minor units (fen).

create table orders (
    number       text primary key,
    app          text   not null,
    reference    text   not null,
    amount       bigint not null check (amount > 0),
    currency     text   not null,
    description  text   not null,
    product_type text   not null,
    payer        text   not null,
    payer_id     text   not null,
    return_url   text   not null,
    metadata     text   not null,
    bill         text   not null default '', -- sealed: personal data; empty for an ordinary order
    persons_at   bigint, -- since when the bill and its payments name persons; null when they do not, or no more
    expires_at   bigint not null,
    state        text   not null check (state in ('open', 'closing', 'closed', 'paid', 'partially_refunded', 'refunded')),
    close_reason text   not null,
    settled_by   text   not null,
    created_at   bigint not null,
    paid_at      bigint not null,
    event_seq    bigint not null default 0,
    events_raised bigint not null default 0, -- of event_seq: numbers that no event has here, since their rows were lost
    due          bigint,
    claimed_until bigint,
    unique (reference, app),
    -- Law 4: what is unfinished is a row with a due time.
    constraint orders_unfinished_is_due check (due is not null or state not in ('open', 'closing'))
);
create index orders_due on orders (due) where due is not null;
create index orders_claimed on orders (app, claimed_until) where claimed_until is not null;
create index orders_newest on orders (app, created_at, number);
create index orders_of_persons on orders (persons_at) where persons_at is not null;
create index orders_of_payer on orders (payer_id, app) where payer_id <> '';

create table payments (
    number         text primary key,
    out_trade_no   text   not null, -- what the provider knows it by
    provider_number text  not null, -- the same, where it is not number
    order_number   text   not null references orders (number),
    app            text   not null,
    provider       text   not null,
    account        text   not null,
    mchid          text   not null,
    sub_mchid      text   not null,
    amount         bigint not null check (amount > 0),
    currency       text   not null,
    route          text   not null,
    content        text   not null,
    app_id         text   not null, -- whom it was made for: what route and content say
    openid         text   not null,
    details        text   not null, -- sealed: personal data; empty for an ordinary payment
    legs           text   not null,
    state          text   not null check (state in ('created', 'pending', 'closing', 'closed', 'failed', 'succeeded')),
    disputed       text   not null,
    adopted        text   not null, -- what an operator took as this payment though it is not what was asked; empty: nothing
    reclosing      boolean not null, -- closed, found payable after all, and being closed once more
    calling        boolean not null,
    unclear        boolean not null,
    provider_id    text   not null,
    payer_total    bigint not null check (payer_total >= 0),
    hand_off       text   not null,
    provider_state text   not null, -- sealed
    provider_state_version bigint not null,
    not_payable_after bigint not null, -- 0: not said
    attempts       bigint not null,
    sent_at        bigint not null,
    created_at     bigint not null,
    succeeded_at   bigint not null,
    refundable_until bigint not null, -- 0: without end; only where succeeded
    due            bigint,
    claimed_until  bigint,
    unique (out_trade_no, mchid, sub_mchid),
    constraint payments_unfinished_is_due check (due is not null or (state in ('closed', 'failed', 'succeeded') and disputed = ''))
);
-- R01: one live payment of an order.
create unique index payments_one_live on payments (order_number) where state in ('created', 'pending', 'closing') and not reclosing;
create unique index payments_provider_id on payments (provider_id, account) where provider_id <> '';
create index payments_of_order on payments (order_number);
create index payments_of_account on payments (account, state);
create index payments_succeeded on payments (account, succeeded_at, number) where state = 'succeeded';
create index payments_of_payer on payments (openid, app_id, app) where openid <> '';
create index payments_due on payments (due) where due is not null;
create index payments_claimed on payments (account, claimed_until) where claimed_until is not null;

create table refunds (
    number         text primary key,
    out_refund_no  text   not null,
    provider_number text  not null,
    payment        text   not null references payments (number),
    order_number   text   not null,
    app            text   not null,
    account        text   not null,
    reference      text   not null,
    amount         bigint not null check (amount > 0 or (amount = 0 and amount_unknown)),
    currency       text   not null,
    amount_unknown boolean not null,
    legs           text   not null,
    reason         text   not null,
    notify_url     text   not null,
    origin         text   not null,
    state          text   not null check (state in ('created', 'processing', 'succeeded', 'failed', 'closed', 'settled_outside')),
    needs_attention text  not null,
    hold           boolean not null,
    calling        boolean not null,
    unclear        boolean not null,
    absent         boolean not null,
    provider_id    text   not null,
    provider_error text   not null,
    received_account text not null,
    attempts       bigint not null,
    sent_at        bigint not null,
    created_at     bigint not null,
    succeeded_at   bigint not null,
    stated         text   not null default '', -- the day of the statement that names it
    due            bigint,
    claimed_until  bigint,
    unique (reference, payment),
    constraint refunds_unfinished_is_due check (due is not null or state not in ('created', 'processing'))
);
create index refunds_of_order on refunds (order_number);
create index refunds_of_number on refunds (out_refund_no);
create index refunds_provider_id on refunds (provider_id) where provider_id <> '';
create index refunds_unstated on refunds (account, sent_at, number) where state = 'succeeded' and stated = '';
create index refunds_due on refunds (due) where due is not null;
create index refunds_claimed on refunds (account, claimed_until) where claimed_until is not null;

-- What an app did for an order that was paid, to be reported to WeChat; number is the payment's.
create table fulfilments (
    number          text primary key references payments (number),
    order_number    text   not null,
    app             text   not null,
    account         text   not null,
    state           text   not null check (state in ('awaited', 'reporting', 'reported', 'refused', 'not_needed')),
    method          text   not null, -- empty while awaited
    description     text   not null,
    carrier         text   not null,
    tracking_number text   not null,
    receiver_phone  text   not null, -- masked
    fulfilled_at    bigint not null,
    reports         bigint not null check (reports between 0 and 2),
    sent            boolean not null,
    attempts        bigint not null,
    refusal         text   not null,
    deadline        bigint not null,
    created_at      bigint not null,
    reported_at     bigint not null,
    due             bigint,
    claimed_until   bigint,
    constraint fulfilments_unfinished_is_due check (due is not null or state in ('reported', 'not_needed'))
);
create index fulfilments_of_order on fulfilments (order_number);
create index fulfilments_due on fulfilments (due) where due is not null;
create index fulfilments_claimed on fulfilments (account, claimed_until) where claimed_until is not null;

-- One row a transition, and one for each thing that happened to a row that stayed in its state.
create table audit (
    id           SERIAL,
    order_number text   not null,
    payment      text   not null, -- empty where it is about the order
    kind         text   not null,
    number       text   not null,
    old          text   not null,
    new          text   not null,
    cause        text   not null,
    request_id   text   not null, -- the provider's, of the answer that was decided about
    at           bigint not null
);
create index audit_of_order on audit (order_number, id);

create table events (
    id           SERIAL,
    app          text   not null,
    order_number text   not null,
    seq          bigint not null, -- gapless in its order
    kind         text   not null,
    number       text   not null,
    data         text   not null, -- what it says: the order, payment and refund as the decision left them
    created_at   bigint not null,
    place        bigint,          -- its place in its app's list, given after the commit, so that nobody who polls skips one
    unique (order_number, seq)
);
create index events_unpublished on events (app, id) where place is null;
create unique index events_of_app on events (app, place) where place is not null;
-- The last place that was given in an app's list. Whoever gives the next ones holds the row's lock.
create table event_places (
    app  text primary key,
    last bigint not null
);
-- What an app's endpoint is owed of one order's events: those from next_seq to last_seq, lowest first.
create table deliveries (
    order_number  text primary key,
    app           text   not null,
    next_seq      bigint not null,
    last_seq      bigint not null,
    attempts      bigint not null default 0, -- that the next one has failed
    failing_since bigint not null default 0, -- when it failed first
    parked        boolean not null default false,
    error         text   not null default '',
    due           bigint,
    claimed_until bigint,
    constraint deliveries_owed_is_due check (due is not null or next_seq > last_seq)
);
create index deliveries_due on deliveries (due) where due is not null;
create index deliveries_of_app on deliveries (app, due) where due is not null;
create index deliveries_claimed on deliveries (app, claimed_until) where claimed_until is not null;

create table alarms (
    id              SERIAL,
    kind            text   not null,
    number          text   not null,
    what            text   not null,
    raised_at       bigint not null,
    sent_at         bigint not null default 0, -- when the operator's webhook took it
    attempts        bigint not null default 0, -- to send it, that failed
    acknowledged_at bigint,
    acknowledged_by text   not null default '',
    due             bigint,
    claimed_until   bigint,
    constraint alarms_untold_is_due check (due is not null or sent_at <> 0 or acknowledged_at is not null)
);
create unique index alarms_open on alarms (kind, number) where acknowledged_at is null;
create index alarms_of_number on alarms (number);
create index alarms_due on alarms (due) where due is not null;
create index alarms_claimed on alarms (kind, claimed_until) where claimed_until is not null;

create table inbox (
    id            text primary key,
    provider      text   not null,
    account       text   not null,
    dedupe_key    text   not null,
    verdict       text   not null,
    cause         text   not null,
    number        text   not null,
    facts         text   not null, -- sealed
    body          text   not null, -- sealed
    received_at   bigint not null,
    due           bigint,
    claimed_until bigint,
    unique (provider, account, dedupe_key),
    constraint inbox_unmatched_is_due check (due is not null or verdict <> 'unmatched')
);
create index inbox_due on inbox (due) where due is not null;
create index inbox_notices on inbox (number) where verdict = 'notice';
create index inbox_of_payment on inbox (number, account);
create index inbox_newest on inbox (received_at, id);
create index inbox_claimed on inbox (account, claimed_until) where claimed_until is not null;

-- Messages that were not believed: only how many, never what.
create table refused_notifications (
    provider text   not null,
    account  text   not null,
    cause    text   not null,
    minute   bigint not null,
    count    bigint not null,
    primary key (provider, account, cause, minute)
);

-- What became of each account's statement of each day.
create table statements (
    id            text primary key, -- account and day
    account       text   not null,
    provider      text   not null,
    mchid         text   not null,
    sub_mchid     text   not null,
    day           text   not null, -- YYYY-MM-DD, Asia/Shanghai
    state         text   not null check (state in ('awaited', 'matched', 'differing', 'none')),
    lines         bigint not null default 0,
    others        bigint not null default 0,
    attempts      bigint not null default 0,
    error         text   not null default '',
    done_at       bigint not null default 0,
    due           bigint,
    claimed_until bigint,
    constraint statements_unmatched_is_due check (due is not null or state not in ('awaited', 'differing'))
);
create unique index statements_of_account on statements (account, day);
create index statements_of_day on statements (day, account);
create index statements_due on statements (due) where due is not null;
create index statements_claimed on statements (account, claimed_until) where claimed_until is not null;
-- What a statement says of one app's payments by one entry, in fen and thousandths of a fen.
create table statement_sums (
    account   text   not null,
    day       text   not null,
    app       text   not null,
    entry     text   not null,
    payments  bigint not null,
    gross     bigint not null,
    refunds   bigint not null,
    refunded  bigint not null,
    fee_milli bigint not null,
    primary key (day, account, app, entry)
);
create table differences (
    id          SERIAL,
    account     text   not null,
    day         text   not null,
    kind        text   not null,
    what        text   not null,
    number      text   not null,
    provider_id text   not null,
    ours        bigint not null,
    theirs      bigint not null,
    our_state   text   not null,
    their_state text   not null,
    found_at    bigint not null,
    healed_at   bigint not null default 0,
    accepted_at bigint not null default 0,
    accepted_by text   not null default '',
    reason      text   not null default ''
);
create unique index differences_once on differences (account, day, kind, what, number);
create index differences_open on differences (account, day) where healed_at = 0 and accepted_at = 0;

create table settings (
    kind       text   not null check (kind in ('app', 'entry', 'account')),
    name       text   not null,
    owner      text   not null,
    generation bigint not null,
    content    text   not null,
    primary key (kind, name)
);
create table settings_history (
    id         SERIAL,
    kind       text   not null,
    name       text   not null,
    owner      text   not null,
    generation bigint not null,
    content    text   not null -- empty: dropped
);
create unique index settings_history_of on settings_history (kind, name, generation);
create table settings_generations (
    generation bigint primary key,
    owner      text   not null,
    content    text   not null, -- the hash of a configuration that was applied whole; empty: single rows were changed
    changed_by text   not null,
    at         bigint not null
);
create unique index settings_applied_once on settings_generations (owner, content) where content <> '';
-- The merchant numbers first seen under a name: they never change (R27).
create table accounts_seen (
    name      text primary key,
    provider  text not null,
    mchid     text not null,
    sub_mchid text not null
);

create table replicas (
    id         text primary key,
    beat       bigint not null
);

-- Who payers are. A person is an id that identities share: persons have no row, and payments name identities.
create table identities (
    app_id     text   not null,
    openid     text   not null,
    unionid    text   not null, -- empty: not known, or not yet
    person     text   not null,
    created_at bigint not null,
    primary key (app_id, openid)
);
create index identities_of_person on identities (person);
create table unionids (
    unionid text primary key,
    person  text not null
);
create index unionids_of_person on unionids (person);
-- What one app knows of an identity. No other app sees it (R42).
create table identity_ties (
    app        text    not null,
    app_id     text    not null,
    openid     text    not null,
    user_id    text    not null, -- empty: the app gave none
    verified   boolean not null, -- by WeChat, when the payer came through this app
    created_at bigint  not null,
    primary key (app, app_id, openid)
);
create index identity_ties_of_user on identity_ties (app, user_id) where user_id <> '';
create index identity_ties_of_identity on identity_ties (app_id, openid);

create table sessions (
    hash       text primary key,
    app        text   not null,
    entry      text   not null,
    app_id     text   not null,
    openid     text   not null,
    created_at bigint not null,
    expires_at bigint not null
);
create index sessions_expired on sessions (expires_at);

-- What is good once: OAuth states and the like. The token itself is nowhere here.
create table tokens (
    hash       text primary key,
    kind       text   not null,
    holder     text   not null, -- hash of what its user must have beside it; empty: nothing
    content    text   not null, -- sealed
    created_at bigint not null,
    expires_at bigint not null,
    used_at    bigint not null default 0
);
create index tokens_expired on tokens (expires_at);

-- Access tokens and tickets of app ids, once for all replicas.
create table app_tokens (
    id            text   primary key, -- kind and app id
    token         text   not null, -- sealed
    expires_at    bigint not null,
    claimed_until bigint
);
