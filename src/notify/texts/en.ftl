# What customers and admins are told, in English. Each text is HTML as Telegram has it; values come
# escaped. A time T comes as $T (28 November, 12:00), $T_date and $T_time. See docs/notices.md.

receipt =
    <b>{ $amount } paid</b> for { $plan }, { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    }.
    Your access runs until { $ends_at }.
    Left on your balance: { $balance_after }.
    .subject = Receipt: { $amount } for { $plan }

low_balance =
    <b>{ $missing } is missing on your balance</b> to renew { $plan } for { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    } ({ $price }).{ $others ->
        [none] { "" }
       *[other] { " " }Your other subscriptions take { $others } first.
    }
    Top up by { $expires_at }, and it is renewed by itself. If not, your access ends then.
    .subject = { $missing } missing to renew { $plan }

expired =
    <b>Your subscription to { $plan } has ended</b> ({ $expires_at }), and your access with it.
    Pay within 30 days, and it comes back with the settings that you have.
    .subject = Your subscription to { $plan } has ended

trial_ended =
    <b>Your trial of { $plan } has ended</b> ({ $expires_at }).
    Did you like it? Buy it within 30 days, and go on with the same settings.
    .subject = Your trial of { $plan } has ended

refund =
    <b>{ $amount } refunded</b> for { $plan }.
    The money is on your balance: { $balance_after }.
    { $ends_at ->
        [none] Your access has ended.
       *[other] Your access runs until { $ends_at } now.
    }
    .subject = Refund: { $amount } for { $plan }

grant =
    <b>A gift: { $days ->
        [one] { $days } day
       *[other] { $days } days
    } of { $plan }.</b>
    Your access runs until { $ends_at }.
    .subject = A gift: { $days ->
        [one] { $days } day
       *[other] { $days } days
    } of { $plan }

revoke =
    <b>Your access to { $plan } was ended by the operator.</b>
    If you think that this is a mistake, please write to support.
    .subject = Your access to { $plan } was ended

trial_6h =
    <b>How is it going?</b> Your trial of { $plan } runs until { $expires_at }.
    If something doesn't connect, write to support: we are glad to help.
    .subject = Your trial of { $plan }

trial_48h =
    <b>Your trial of { $plan } runs until { $expires_at }.</b>
    Buy it now and lose nothing: the paid time starts when the trial ends.
    .subject = Your trial runs until { $expires_at }

trial_ending =
    <b>Your trial of { $plan } ends on { $expires_at_date } at { $expires_at_time }.</b>
    Buy it before that, and nothing changes for you: same settings, no break.
    .subject = Your trial ends at { $expires_at_time }

ends_3d =
    <b>Your subscription to { $plan } runs until { $expires_at }.</b>
    { $missing ->
        [none] Auto-renewal is off: it won't be renewed by itself.
       *[other] To be renewed, { $missing } is missing on your balance.{ $others ->
            [none] { "" }
           *[other] { " " }Your other subscriptions take { $others } first.
        }
    }
    .subject = { $plan } ends on { $expires_at_date }

ends_24h =
    <b>Your subscription to { $plan } ends on { $expires_at_date } at { $expires_at_time }.</b>
    { $missing ->
        [none] Auto-renewal is off; pay for the next period to go on without a break.
       *[other] Top up { $missing }, and it is renewed by itself.{ $others ->
            [none] { "" }
           *[other] { " " }Your other subscriptions take { $others } first.
        }
    }
    .subject = { $plan } ends on { $expires_at_date } at { $expires_at_time }

ends_3h =
    <b>Your subscription to { $plan } ends soon, at { $expires_at_time }.</b>
    { $missing ->
        [none] Auto-renewal is off; pay for the next period to go on without a break.
       *[other] Top up { $missing }, and it is renewed by itself.{ $others ->
            [none] { "" }
           *[other] { " " }Your other subscriptions take { $others } first.
        }
    }
    .subject = { $plan } ends at { $expires_at_time }

price_change =
    <b>From the next renewal on, { $plan } costs { $new_price }</b> for { $period_days ->
        [one] { $period_days } day
       *[other] { $period_days } days
    } instead of { $price }.
    What you have paid for runs until { $expires_at }, at the old price.
    .subject = { $plan }: a new price from the next renewal on

alarm_worker =
    ⚠️ <b>{ $worker } has failed { $failures } times in a row.</b>
    Last error: { $error }
    .subject = { $worker } has failed { $failures } times in a row

alarm_guard =
    ⚠️ <b>{ $worker }: the guard holds { $held ->
        [one] { $held } case
       *[other] { $held } cases
    }</b>{ $subject ->
        [fast-expiry-cleanup] { "" }
       *[other] { " " }({ $subject })
    }.
    More would lose their access at once than is plausible. Look at who it is, and if it is meant, confirm it:
    { $subject ->
        [fast-expiry-cleanup]
            <code>perennial run fast-expiry-cleanup --dry-run</code>
            <code>perennial run fast-expiry-cleanup --confirm</code>
       *[other]
            <code>perennial node reconcile { $subject } --dry-run</code>
            <code>perennial node reconcile { $subject } --confirm</code>
    }
    .subject = { $worker }: the guard holds { $held }

alarm_quarantine =
    ⚠️ <b>{ $worker }: put into quarantine ({ $reason }).</b>
    { $item }: { $sentence }
    In quarantine by now: { $items }.
    .subject = { $worker }: put into quarantine ({ $reason })

alarm_removal =
    ⚠️ <b>Node { $node } has not confirmed { $waiting ->
        [one] { $waiting } removal
       *[other] { $waiting } removals
    }.</b>
    Whose access ended may still connect there. The oldest waits since { $oldest_at }.
    .subject = Node { $node }: { $waiting ->
        [one] { $waiting } removal
       *[other] { $waiting } removals
    } not confirmed

alarm_clock =
    ⚠️ <b>The clock of { $replica } is { $skew_s } s off the database's.</b>
    It runs no worker until that is mended. Is its time synchronised?
    .subject = The clock of { $replica } is off

alarm_over =
    ✅ <b>Over:</b> { $alarm ->
        [alarm_worker] { $subject } runs again.
        [alarm_guard] the guard holds nothing any more ({ $subject }).
        [alarm_quarantine] nothing of { $subject } is in quarantine any more.
        [alarm_removal] node { $subject } has confirmed its removals.
        [alarm_clock] the clock of { $subject } is right again, or it is gone.
       *[other] { $alarm } ({ $subject }).
    }
    .subject = Over: { $subject }

button_buy = Buy
button_renew = Renew
button_top_up = Top up
