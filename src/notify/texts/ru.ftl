# То же по-русски. Каждый текст — HTML в том виде, в каком его понимает Telegram; значения приходят
# уже экранированными. Время T — это $T (28 ноября, 12:00), $T_date и $T_time. См. docs/notices.md.

receipt =
    <b>Оплачено: { $amount }</b> — «{ $plan }», { $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    }.
    Подписка действует до { $ends_at }.
    На балансе осталось { $balance_after }.
    .subject = Оплата: { $amount }, «{ $plan }»

low_balance =
    <b>На балансе не хватает { $missing }</b>, чтобы продлить «{ $plan }» на { $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    } (стоимость — { $price }).{ $others ->
        [none] { "" }
       *[other] { " " }Сначала { $others } уйдёт на другие ваши подписки.
    }
    Пополните баланс до { $expires_at }, и подписка продлится сама. Иначе в это время доступ закончится.
    .subject = Не хватает { $missing } на продление «{ $plan }»

expired =
    <b>Подписка «{ $plan }» закончилась</b> ({ $expires_at }), доступ закрыт.
    Оплатите её в течение 30 дней — доступ вернётся, настраивать ничего не придётся.
    .subject = Подписка «{ $plan }» закончилась

trial_ended =
    <b>Пробный период «{ $plan }» закончился</b> ({ $expires_at }).
    Понравилось? Оплатите подписку в течение 30 дней — всё заработает с теми же настройками.
    .subject = Пробный период «{ $plan }» закончился

refund =
    <b>Возврат: { $amount }</b> за подписку «{ $plan }».
    Деньги вернулись на баланс, теперь на нём { $balance_after }.
    { $ends_at ->
        [none] Доступ закрыт.
       *[other] Теперь доступ действует до { $ends_at }.
    }
    .subject = Возврат: { $amount } за подписку «{ $plan }»

grant =
    <b>Вам подарок: { $days ->
        [one] { $days } день
        [few] { $days } дня
       *[other] { $days } дней
    } подписки «{ $plan }».</b>
    Подписка действует до { $ends_at }.
    .subject = Подарок: { $days ->
        [one] { $days } день
        [few] { $days } дня
       *[other] { $days } дней
    } подписки «{ $plan }»

revoke =
    <b>Доступ по подписке «{ $plan }» закрыт администратором.</b>
    Если вы считаете, что это ошибка, напишите в поддержку.
    .subject = Доступ по подписке «{ $plan }» закрыт

trial_6h =
    <b>Как впечатления?</b> Пробный период «{ $plan }» действует до { $expires_at }.
    Если что-то не подключается, напишите в поддержку — поможем.
    .subject = Ваш пробный период «{ $plan }»

trial_48h =
    <b>Пробный период «{ $plan }» действует до { $expires_at }.</b>
    Оплатить подписку можно уже сейчас: вы ничего не потеряете, оплаченное время начнётся, когда закончится пробное.
    .subject = Пробный период действует до { $expires_at }

trial_ending =
    <b>Пробный период «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.</b>
    Оплатите подписку до этого времени — и всё продолжит работать без перерыва, с теми же настройками.
    .subject = Пробный период закончится в { $expires_at_time }

ends_3d =
    <b>Подписка «{ $plan }» действует до { $expires_at }.</b>
    { $missing ->
        [none] Автопродление выключено, сама она не продлится.
       *[other] Для продления не хватает { $missing }.{ $others ->
            [none] { "" }
           *[other] { " " }Сначала { $others } уйдёт на другие ваши подписки.
        }
    }
    .subject = Подписка «{ $plan }» закончится { $expires_at_date }

ends_24h =
    <b>Подписка «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.</b>
    { $missing ->
        [none] Автопродление выключено: оплатите следующий период, чтобы доступ не прервался.
       *[other] Пополните баланс на { $missing }, и подписка продлится автоматически.{ $others ->
            [none] { "" }
           *[other] { " " }Сначала { $others } уйдёт на другие ваши подписки.
        }
    }
    .subject = Подписка «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }

ends_3h =
    <b>Уже скоро, в { $expires_at_time }, подписка «{ $plan }» закончится.</b>
    { $missing ->
        [none] Автопродление выключено: оплатите следующий период, чтобы доступ не прервался.
       *[other] Пополните баланс на { $missing }, и подписка продлится автоматически.{ $others ->
            [none] { "" }
           *[other] { " " }Сначала { $others } уйдёт на другие ваши подписки.
        }
    }
    .subject = Подписка «{ $plan }» закончится в { $expires_at_time }

price_change =
    <b>Со следующего продления «{ $plan }» будет стоить { $new_price }</b> за { $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    } — сейчас { $price }.
    Уже оплаченное время действует до { $expires_at } по старой цене.
    .subject = «{ $plan }»: новая цена со следующего продления

alarm_worker =
    ⚠️ <b>{ $worker }: { $failures ->
        [one] { $failures } сбой
        [few] { $failures } сбоя
       *[other] { $failures } сбоев
    } подряд.</b>
    Последняя ошибка: { $error }
    .subject = { $worker }: сбоев подряд — { $failures }

alarm_guard =
    ⚠️ <b>{ $worker }: предохранитель задержал { $held ->
        [one] { $held } отключение
        [few] { $held } отключения
       *[other] { $held } отключений
    }</b>{ $subject ->
        [fast-expiry-cleanup] { "" }
       *[other] { " " }({ $subject })
    }.
    Доступ разом потеряло бы больше людей, чем бывает обычно. Проверьте, кто это, и, если всё верно, подтвердите:
    { $subject ->
        [fast-expiry-cleanup]
            <code>perennial run fast-expiry-cleanup --dry-run</code>
            <code>perennial run fast-expiry-cleanup --confirm</code>
       *[other]
            <code>perennial node reconcile { $subject } --dry-run</code>
            <code>perennial node reconcile { $subject } --confirm</code>
    }
    .subject = { $worker }: предохранитель задержал { $held }

alarm_quarantine =
    ⚠️ <b>{ $worker }: новое в карантине ({ $reason }).</b>
    { $item }: { $sentence }
    Всего в карантине: { $items }.
    .subject = { $worker }: новое в карантине ({ $reason })

alarm_removal =
    ⚠️ <b>Узел { $node } не подтвердил { $waiting ->
        [one] { $waiting } отключение
        [few] { $waiting } отключения
       *[other] { $waiting } отключений
    }.</b>
    Те, чей доступ закончился, возможно, ещё могут подключаться там. Самое старое ждёт с { $oldest_at }.
    .subject = Узел { $node } не подтвердил отключения: { $waiting }

alarm_clock =
    ⚠️ <b>Часы { $replica } расходятся с часами базы данных на { $skew_s } с.</b>
    Пока это так, воркеры там не запускаются. Проверьте синхронизацию времени.
    .subject = Часы { $replica } идут неверно

alarm_over =
    ✅ <b>Закончилось:</b> { $alarm ->
        [alarm_worker] { $subject } снова работает.
        [alarm_guard] предохранитель больше ничего не держит ({ $subject }).
        [alarm_quarantine] в карантине больше нет ничего от { $subject }.
        [alarm_removal] узел { $subject } подтвердил отключения.
        [alarm_clock] часы { $subject } снова идут верно (или этой реплики больше нет).
       *[other] { $alarm } ({ $subject }).
    }
    .subject = Закончилось: { $subject }

button_buy = Купить
button_renew = Продлить
button_top_up = Пополнить баланс
