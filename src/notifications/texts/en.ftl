# What customers and admins are told, in English. Each text is HTML as Telegram has it; values come
# escaped. A time T comes as $T (28 November, 12:00), $T_date and $T_time. See docs/notices.md.

receipt =
    <b>{ $amount } paid</b> for { $plan }, { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    }{ $paid_at ->
        [none] { "" }
       *[other] , on { $paid_at }
    }.
    Paid until { $ends_at }.
    Balance after this payment: { $balance_after }.
    .subject = Receipt: { $amount } for { $plan }

low_balance =
    <b>You need { $missing } more to renew { $plan }</b> for { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    } ({ $price }).{ $others ->
        [none] { "" }
       *[other] { " " }Your other subscriptions will take { $others } first.
    }
    Top up by { $expires_at }, and it will renew automatically. Otherwise your access ends then.
    .subject = You need { $missing } more to renew { $plan }

expired =
    <b>Your { $plan } subscription ended</b> on { $expires_at_date } at { $expires_at_time }, and your access with it.
    Pay within 30 days of that date and it will work again with your existing settings.
    .subject = Your { $plan } subscription has ended

trial_ended =
    <b>Your { $plan } trial ended</b> on { $expires_at_date } at { $expires_at_time }.
    Did you like it? Buy it within 30 days of that date and carry on with the same settings.
    .subject = Your { $plan } trial has ended

refund =
    <b>{ $amount } refunded</b> for { $plan }{ $refunded_at ->
        [none] { "" }
       *[other] , on { $refunded_at }
    }.
    { $paid_out ->
        [none] The money went to your balance.
       *[other] The money will be paid out to you.
    } Balance after this refund: { $balance_after }.
    { $ends_at ->
        [none] This subscription has ended.
       *[other] This subscription now runs until { $ends_at }.
    }
    .subject = Refund: { $amount } for { $plan }

grant =
    <b>A gift for you: { $days ->
        [one] { $days } day
       *[other] { $days } days
    } of { $plan }.</b>
    Your subscription now runs until { $ends_at }.
    .subject = A gift for you: { $days ->
        [one] { $days } day
       *[other] { $days } days
    } of { $plan }

grant_taken_back =
    <b>A gift of { $plan } was taken back by the operator.</b>
    Your subscription now runs until { $ends_at }. If you think this is a mistake, please contact support.
    .subject = A gift of { $plan } was taken back

restored =
    <b>Your { $plan } subscription goes on until { $ends_at }.</b>
    It was ended too early by a mistake of ours. Your access works again with your existing settings.
    .subject = Your { $plan } subscription goes on

revoke =
    <b>Your { $plan } subscription was ended by the operator.</b>
    If you think this is a mistake, please contact support.
    .subject = Your { $plan } subscription was ended

trial_6h =
    <b>How is it going?</b> Your { $plan } trial runs until { $expires_at }.
    If something won't connect, contact support: we are happy to help.
    .subject = Your { $plan } trial

trial_48h =
    <b>Your { $plan } trial runs until { $expires_at }.</b>
    Buy now and you lose nothing: your paid time starts when the trial ends.
    .subject = Your trial runs until { $expires_at }

trial_ending =
    <b>Your { $plan } trial ends on { $expires_at_date } at { $expires_at_time }.</b>
    Buy before then and nothing changes: same settings, no interruption.
    .subject = Your trial ends at { $expires_at_time }

ends_3d =
    <b>Your { $plan } subscription runs until { $expires_at }.</b>
    { $missing ->
        [none] Auto-renewal is off, so it will not renew by itself.
       *[other] You need { $missing } more to renew it.{ $others ->
            [none] { "" }
           *[other] { " " }Your other subscriptions will take { $others } first.
        }
    }
    .subject = Your { $plan } subscription ends on { $expires_at_date }

ends_24h =
    <b>Your { $plan } subscription ends on { $expires_at_date } at { $expires_at_time }.</b>
    { $missing ->
        [none] Auto-renewal is off: pay for the next period to keep your access.
       *[other] Top up { $missing } and it will renew automatically.{ $others ->
            [none] { "" }
           *[other] { " " }Your other subscriptions will take { $others } first.
        }
    }
    .subject = Your { $plan } subscription ends on { $expires_at_date } at { $expires_at_time }

ends_3h =
    <b>Your { $plan } subscription ends soon, at { $expires_at_time }.</b>
    { $missing ->
        [none] Auto-renewal is off: pay for the next period to keep your access.
       *[other] Top up { $missing } and it will renew automatically.{ $others ->
            [none] { "" }
           *[other] { " " }Your other subscriptions will take { $others } first.
        }
    }
    .subject = Your { $plan } subscription ends at { $expires_at_time }

price_change =
    { $next_price ->
        [none] <b>From your next renewal, { $plan } will cost { $new_price }</b> for { $period_days ->
            [one] { $period_days } day
           *[other] { $period_days } days
        } instead of { $price }.
       *[other] <b>From { $from }, { $plan } will cost { $new_price }</b> for { $period_days ->
            [one] { $period_days } day
           *[other] { $period_days } days
        } instead of { $price }. Your next renewal, on { $expires_at_date }, still costs { $next_price }.
    }
    The time you have already paid for, until { $expires_at }, is not affected.
    .subject = { $plan }: a new price { $next_price ->
        [none] from your next renewal
       *[other] from { $from_date }
    }

price_withdrawn =
    <b>Your { $plan } subscription will not renew:</b> { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    } of this plan are no longer sold. Your subscription runs until { $expires_at }, and your balance stays yours.
    { $choices ->
        [none] Please contact support to choose another plan.
       *[other]
            To keep your access, choose one of these before then:
            { $choices }
    }
    .subject = { $plan } will not renew on { $expires_at_date }: please choose another plan

renewal_ahead =
    <b>Your { $plan } subscription will renew by { $expires_at }</b> for { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    }: { $price } from your balance.
    You don't need to do anything. If you don't want it to renew, turn off auto-renewal before then.
    .subject = { $plan } will renew for { $price }

announcement =
    { $text }
    .subject = A message about your subscription

alarm_worker =
    ⚠️ <b>{ $failures ->
        [0] { $worker } is not running.
        [one] { $worker } has failed { $failures } time.
       *[other] { $worker } has failed { $failures } times in a row.
    }</b>
    { $failures ->
        [0] { $error }
       *[other] Last error: { $error }
    }
    .subject = { $failures ->
        [0] { $worker } is not running
       *[other] { $worker } has failed { $failures } times in a row
    }

alarm_overdue =
    ⚠️ <b>{ $worker } passes over { $worker ->
        [deliver-notifications] { $items ->
            [one] { $items } notification that is due
           *[other] { $items } notifications that are due
        }
       *[other] { $items ->
            [one] { $items } subscription that is due
           *[other] { $items } subscriptions that are due
        }
    }.</b>
    The oldest has been due since { $oldest_at }. Cause: { $cause }.
    A process that is idle in a transaction is usually a forgotten database console: close it.
    .subject = { $worker } passes over { $items } due { $worker ->
        [deliver-notifications] notifications
       *[other] subscriptions
    }

alarm_lock =
    ⚠️ <b>The database table { $subject } is locked as a whole.</b>
    Work that needs this table waits or fails. Locked by { $cause }.
    A process that is idle in a transaction is usually a forgotten database console: close it.
    .subject = The database table { $subject } is locked

alarm_guard =
    ⚠️ <b>{ $worker }: the guard holds { $held ->
        [one] { $held } case
       *[other] { $held } cases
    }</b>{ $subject ->
        [fast-expiry-cleanup] { "" }
       *[other] { " " }({ $subject })
    }.
    More people would lose access at once than is plausible. Check who they are and, if that is intended, confirm it:
    { $subject ->
        [fast-expiry-cleanup]
            <code>perennial run fast-expiry-cleanup --dry-run</code>
            <code>perennial run fast-expiry-cleanup --confirm</code>
       *[other]
            <code>perennial node reconcile { $subject } --dry-run</code>
            <code>perennial node reconcile { $subject } --confirm</code>
    }
    .subject = { $worker }: the guard holds { $held }

alarm_money_guard =
    ⚠️ <b>{ $worker }: the guard holds { $held ->
        [one] { $held } charge
       *[other] { $held } charges
    }.</b>
    They are more, higher or later than is plausible. Their subscriptions stay active meanwhile. Check the clock of the database, the prices and the list and, if the charges are intended, confirm them:
    <code>perennial run { $worker } --dry-run</code>
    <code>perennial run { $worker } --confirm</code>
    .subject = { $worker }: the guard holds { $held ->
        [one] { $held } charge
       *[other] { $held } charges
    }

alarm_quarantine =
    ⚠️ <b>{ $worker }: an item was put into quarantine ({ $reason }).</b>
    { $item }: { $sentence }
    That makes { $items } in quarantine.
    .subject = { $worker }: an item in quarantine ({ $reason })

alarm_removal =
    ⚠️ <b>Node { $node } has not confirmed { $waiting ->
        [one] { $waiting } removal
       *[other] { $waiting } removals
    }.</b>
    Those whose access has ended may still be able to connect there. The oldest has been waiting since { $oldest_at }.
    .subject = Node { $node }: { $waiting ->
        [one] { $waiting } removal
       *[other] { $waiting } removals
    } not confirmed

alarm_node =
    ⚠️ <b>{ $reason ->
        [additions] Node { $node } does not add users: some have been waiting since { $down_since }.
       *[down] Node { $node } has not answered since { $down_since }.
    }</b>
    Users waiting to be added there: { $to_add }. Users waiting to be removed: { $to_remove }.
    Last error: { $error }
    .subject = { $reason ->
        [additions] Node { $node } does not add users
       *[down] Node { $node } does not answer
    }

alarm_clock =
    ⚠️ { $replica ->
        [database] <b>The database time is suspect: { $sentence }.</b>
    Charges, ends, reminders and sales wait. Top-ups are credited, and paid access stays. Correct the clock, or confirm it with "perennial clock accept".
        [commits] <b>Commits may be lost: { $sentence }.</b>
    All changes wait. Compare the payments with your provider, then confirm with "perennial clock accept".
       *[other] <b>A clock is wrong: { $sentence }.</b>
    It runs no workers until this is fixed. Is its time synchronised?
    }
    .subject = { $replica ->
        [database] The database time is suspect
        [commits] Commits may be lost
       *[other] The clock of { $replica } is off
    }

alarm_channel =
    ⚠️ <b>Nothing has gone out via { $channel } for over 5 minutes.</b>
    Last error: { $error }
    Messages are waiting and will go out once it works again; reminders may come too late.
    .subject = Nothing goes out via { $channel }

alarm_notice =
    ⚠️ <b>Messages of the kind { $subject } are refused as they are written.</b>
    Last error: { $error }
    They go out as plain text without buttons. Please check the text and its buttons.
    .subject = Messages of the kind { $subject } are refused

alarm_over =
    ✅ <b>Over:</b> { $alarm ->
        [alarm_worker] { $subject } is running again.
        [alarm_overdue] { $subject } passes over nothing that is due.
        [alarm_lock] the database table { $subject } is no longer locked.
        [alarm_guard] the guard is no longer holding anything ({ $subject }).
        [alarm_money_guard] the guard is no longer holding any charge ({ $subject }).
        [alarm_quarantine] nothing of { $subject } is left in quarantine.
        [alarm_removal] node { $subject } has confirmed its removals.
        [alarm_node] node { $subject } works again, or is no longer used.
        [alarm_clock] { $subject ->
            [database] the database time is trusted again.
            [commits] the state of the database was confirmed.
           *[other] the clock of { $subject } is right again, or that replica is gone.
        }
        [alarm_channel] messages go out via { $subject } again, or it is no longer used.
        [alarm_notice] messages of the kind { $subject } have not been refused for a day.
       *[other] { $alarm } ({ $subject }).
    }
    First reported: { $since }.
    .subject = Over: { $subject }

# Names of entries in the subscription URL of a customer without access. Plain, one line, short.
feed_ended = Subscription ended on { $ended_at_date }. { $pay ->
        [none] Renew it in our bot to connect again
       *[other] To renew: { $pay }
    }

feed_none = No subscription yet. { $pay ->
        [none] Buy one in our bot to connect
       *[other] To buy: { $pay }
    }

feed_no_servers = No servers right now. Please contact support

button_buy = Buy
button_renew = Renew
button_top_up = Top up
button_choose = Choose a plan
