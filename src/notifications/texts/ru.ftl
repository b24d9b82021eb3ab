# То же по-русски. Каждый текст — HTML в том виде, в каком его понимает Telegram; значения приходят
# уже экранированными. Время T — это $T (28 ноября, 12:00), $T_date и $T_time. См. docs/notices.md.

receipt =
    <b>Оплачено: { $amount }</b> — «{ $plan }», { $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    }{ $paid_at ->
        [none] { "" }
       *[other] { " " }(платёж от { $paid_at })
    }.
    Подписка оплачена до { $ends_at }.
    Баланс после оплаты: { $balance_after }.
    .subject = Оплата: { $amount }, «{ $plan }»

low_balance =
    <b>Для продления подписки «{ $plan }» не хватает { $missing }</b> ({ $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    } — { $price }).{ $others ->
        [none] { "" }
       *[other] { " " }Сначала с баланса спишется { $others } за другие ваши подписки.
    }
    Пополните баланс до { $expires_at } — и подписка продлится автоматически. Иначе в это время доступ закроется.
    .subject = Для продления «{ $plan }» не хватает { $missing }

expired =
    <b>Подписка «{ $plan }» закончилась</b> { $expires_at_date } в { $expires_at_time }, доступ по ней закрыт.
    Оплатите её в течение 30 дней с этой даты — доступ откроется снова, ничего настраивать не придётся.
    .subject = Подписка «{ $plan }» закончилась

trial_ended =
    <b>Пробный период тарифа «{ $plan }» закончился</b> { $expires_at_date } в { $expires_at_time }.
    Понравилось? Оплатите подписку в течение 30 дней с этой даты — всё заработает с прежними настройками.
    .subject = Пробный период тарифа «{ $plan }» закончился

refund =
    <b>Возврат: { $amount }</b> за подписку «{ $plan }»{ $refunded_at ->
        [none] { "" }
       *[other] { " " }— { $refunded_at }
    }.
    { $paid_out ->
        [none] Деньги зачислены на баланс.
       *[other] Деньги будут выплачены вам.
    } Баланс после возврата: { $balance_after }.
    { $ends_at ->
        [none] Эта подписка закончилась.
       *[other] Теперь доступ по этой подписке открыт до { $ends_at }.
    }
    .subject = Возврат: { $amount } за подписку «{ $plan }»

grant =
    <b>Вам подарок: { $days ->
        [one] { $days } день
        [few] { $days } дня
       *[other] { $days } дней
    } подписки «{ $plan }».</b>
    Теперь доступ открыт до { $ends_at }.
    .subject = Вам подарок: { $days ->
        [one] { $days } день
        [few] { $days } дня
       *[other] { $days } дней
    } подписки «{ $plan }»

grant_taken_back =
    <b>Администратор отменил подарок по подписке «{ $plan }».</b>
    Теперь доступ открыт до { $ends_at }. Если вы считаете, что это ошибка, напишите в поддержку.
    .subject = Подарок по подписке «{ $plan }» отменён

restored =
    <b>Ваша подписка «{ $plan }» продолжается до { $ends_at }.</b>
    Она закончилась раньше срока из-за нашей ошибки. Доступ снова работает с прежними настройками.
    .subject = Ваша подписка «{ $plan }» продолжается

revoke =
    <b>Администратор отключил подписку «{ $plan }».</b>
    Если вы считаете, что это ошибка, напишите в поддержку.
    .subject = Подписка «{ $plan }» отключена

trial_6h =
    <b>Как впечатления?</b> Пробный период тарифа «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.
    Если что-то не подключается, напишите в поддержку — поможем.
    .subject = Ваш пробный период тарифа «{ $plan }»

trial_48h =
    <b>Пробный период тарифа «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.</b>
    Оплатить подписку можно уже сейчас — пробные дни не пропадут: оплаченное время начнётся после них.
    .subject = Пробный период закончится { $expires_at_date }

trial_ending =
    <b>Пробный период тарифа «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.</b>
    Оплатите подписку до этого времени — и всё продолжит работать без перерыва, с теми же настройками.
    .subject = Пробный период закончится в { $expires_at_time }

ends_3d =
    <b>Подписка «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.</b>
    { $missing ->
        [none] Автопродление выключено — сама подписка не продлится.
       *[other] Для продления не хватает { $missing }.{ $others ->
            [none] { "" }
           *[other] { " " }Сначала с баланса спишется { $others } за другие ваши подписки.
        }
    }
    .subject = Подписка «{ $plan }» закончится { $expires_at_date }

ends_24h =
    <b>Подписка «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }.</b>
    { $missing ->
        [none] Автопродление выключено: оплатите следующий период, чтобы доступ не прервался.
       *[other] Пополните баланс на { $missing } — и подписка продлится автоматически.{ $others ->
            [none] { "" }
           *[other] { " " }Сначала с баланса спишется { $others } за другие ваши подписки.
        }
    }
    .subject = Подписка «{ $plan }» закончится { $expires_at_date } в { $expires_at_time }

ends_3h =
    <b>Подписка «{ $plan }» закончится уже скоро — в { $expires_at_time }.</b>
    { $missing ->
        [none] Автопродление выключено: оплатите следующий период, чтобы доступ не прервался.
       *[other] Пополните баланс на { $missing } — и подписка продлится автоматически.{ $others ->
            [none] { "" }
           *[other] { " " }Сначала с баланса спишется { $others } за другие ваши подписки.
        }
    }
    .subject = Подписка «{ $plan }» закончится в { $expires_at_time }

price_change =
    { $next_price ->
        [none] <b>Со следующего продления «{ $plan }» будет стоить { $new_price }</b> за { $period_days ->
            [one] { $period_days } день
            [few] { $period_days } дня
           *[other] { $period_days } дней
        } вместо { $price }.
       *[other] <b>С { $from_date } «{ $plan }» будет стоить { $new_price }</b> за { $period_days ->
            [one] { $period_days } день
            [few] { $period_days } дня
           *[other] { $period_days } дней
        } вместо { $price }. Ближайшее продление, { $expires_at_date }, пройдёт по прежней цене: { $next_price }.
    }
    На уже оплаченное время, до { $expires_at }, это не повлияет.
    .subject = «{ $plan }»: новая цена { $next_price ->
        [none] со следующего продления
       *[other] с { $from_date }
    }

price_withdrawn =
    <b>Подписка «{ $plan }» не продлится:</b> { $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    } по этому тарифу больше не продаём. Подписка действует до { $expires_at }, деньги остаются на вашем балансе.
    { $choices ->
        [none] Напишите в поддержку — поможем выбрать другой тариф.
       *[other]
            Чтобы доступ не прервался, до этого времени выберите один из вариантов:
            { $choices }
    }
    .subject = «{ $plan }» не продлится { $expires_at_date }: выберите другой тариф

renewal_ahead =
    <b>Скоро, не позже { $expires_at }, подписка «{ $plan }» продлится</b> на { $period_days ->
        [one] { $period_days } день
        [few] { $period_days } дня
       *[other] { $period_days } дней
    }: с баланса спишется { $price }.
    Делать ничего не нужно. Если продлевать не хотите, до этого времени выключите автопродление.
    .subject = «{ $plan }» скоро продлится: { $price }

announcement =
    { $text }
    .subject = Сообщение о вашей подписке

alarm_worker =
    ⚠️ <b>{ $worker }: { $failures ->
        [0] воркер не запускается.
        [one] { $failures } сбой подряд.
        [few] { $failures } сбоя подряд.
       *[other] { $failures } сбоев подряд.
    }</b>
    { $failures ->
        [0] { $error }
       *[other] Последняя ошибка: { $error }
    }
    .subject = { $failures ->
        [0] { $worker }: воркер не запускается
       *[other] { $worker }: сбоев подряд — { $failures }
    }

alarm_overdue =
    ⚠️ <b>{ $worker } пропускает { $worker ->
        [deliver-notifications] уведомления, которые пора отправить
       *[other] подписки, срок которых наступил
    }: { $items }.</b>
    Самая старая ждёт с { $oldest_at }. Причина: { $cause }.
    Процесс в состоянии «idle in transaction» — обычно забытая консоль базы данных: закройте её.
    .subject = { $worker } пропускает { $worker ->
        [deliver-notifications] уведомления
       *[other] подписки
    }: { $items }

alarm_lock =
    ⚠️ <b>Таблица базы данных { $subject } заблокирована целиком.</b>
    Работа, которой нужна эта таблица, ждёт или завершается сбоем. Заблокировал { $cause }.
    Процесс в состоянии «idle in transaction» — обычно забытая консоль базы данных: закройте её.
    .subject = Таблица базы данных { $subject } заблокирована

alarm_guard =
    ⚠️ <b>{ $worker }: предохранитель задержал { $held ->
        [one] { $held } отключение
        [few] { $held } отключения
       *[other] { $held } отключений
    }</b>{ $subject ->
        [fast-expiry-cleanup] { "" }
       *[other] { " " }({ $subject })
    }.
    Доступ разом потеряло бы слишком много людей. Проверьте, кто это, и, если всё верно, подтвердите:
    { $subject ->
        [fast-expiry-cleanup]
            <code>perennial run fast-expiry-cleanup --dry-run</code>
            <code>perennial run fast-expiry-cleanup --confirm</code>
       *[other]
            <code>perennial node reconcile { $subject } --dry-run</code>
            <code>perennial node reconcile { $subject } --confirm</code>
    }
    .subject = { $worker }: предохранитель задержал { $held }

alarm_money_guard =
    ⚠️ <b>{ $worker }: предохранитель задержал { $held ->
        [one] { $held } списание
        [few] { $held } списания
       *[other] { $held } списаний
    }.</b>
    Их больше, они дороже или позже, чем бывает обычно. Подписки пока остаются активными. Проверьте часы базы данных, цены и список и, если всё верно, подтвердите:
    <code>perennial run { $worker } --dry-run</code>
    <code>perennial run { $worker } --confirm</code>
    .subject = { $worker }: предохранитель задержал { $held ->
        [one] { $held } списание
        [few] { $held } списания
       *[other] { $held } списаний
    }

alarm_quarantine =
    ⚠️ <b>{ $worker }: в карантин попала новая запись ({ $reason }).</b>
    { $item }: { $sentence }
    Всего записей в карантине стало: { $items }.
    .subject = { $worker }: новая запись в карантине ({ $reason })

alarm_removal =
    ⚠️ <b>Узел { $node } не подтвердил { $waiting ->
        [one] { $waiting } отключение
        [few] { $waiting } отключения
       *[other] { $waiting } отключений
    }.</b>
    Те, чей доступ закончился, возможно, всё ещё могут подключаться к нему. Самое старое отключение ждёт с { $oldest_at }.
    .subject = Узел { $node } не подтвердил отключения: { $waiting }

alarm_node =
    ⚠️ <b>{ $reason ->
        [additions] Узел { $node } не подключает пользователей: некоторые ждут с { $down_since }.
       *[down] Узел { $node } не отвечает с { $down_since }.
    }</b>
    Ждут подключения к нему: { $to_add }. Ждут отключения от него: { $to_remove }.
    Последняя ошибка: { $error }
    .subject = { $reason ->
        [additions] Узел { $node } не подключает пользователей
       *[down] Узел { $node } не отвечает
    }

alarm_clock =
    ⚠️ { $replica ->
        [database] <b>Времени базы данных нельзя верить: расхождение { $skew_s } с.</b>
    Причина: { $sentence }
    Списания, отключения, напоминания и продажи ждут. Пополнения зачисляются, оплаченный доступ сохраняется. Исправьте часы или подтвердите время командой "perennial clock accept".
        [commits] <b>База данных могла потерять последние изменения.</b>
    Причина: { $sentence }
    Все изменения ждут. Сверьте платежи с платёжной системой и подтвердите состояние командой "perennial clock accept".
       *[other] <b>Часы { $replica } расходятся с часами базы данных на { $skew_s } с.</b>
    Причина: { $sentence }
    Пока это не исправлено, воркеры там не запускаются. Проверьте синхронизацию времени.
    }
    .subject = { $replica ->
        [database] Времени базы данных нельзя верить
        [commits] База данных могла потерять изменения
       *[other] Часы { $replica } идут неверно
    }

alarm_channel =
    ⚠️ <b>Через { $channel } больше 5 минут ничего не уходит.</b>
    Последняя ошибка: { $error }
    Сообщения ждут и уйдут, когда связь восстановится; напоминания могут опоздать.
    .subject = Через { $channel } ничего не уходит

alarm_notice =
    ⚠️ <b>Сообщения вида { $subject } не принимаются в том виде, в котором они написаны.</b>
    Последняя ошибка: { $error }
    Они уходят простым текстом без кнопок. Проверьте текст и кнопки.
    .subject = Сообщения вида { $subject } не принимаются

alarm_over =
    ✅ <b>Отбой:</b> { $alarm ->
        [alarm_worker] { $subject } снова работает.
        [alarm_overdue] { $subject } больше ничего не пропускает.
        [alarm_lock] таблица базы данных { $subject } больше не заблокирована.
        [alarm_guard] предохранитель больше ничего не задерживает ({ $subject }).
        [alarm_money_guard] предохранитель больше не задерживает списания ({ $subject }).
        [alarm_quarantine] в карантине больше нет записей { $subject }.
        [alarm_removal] узел { $subject } подтвердил отключения.
        [alarm_node] узел { $subject } снова работает (или больше не используется).
        [alarm_clock] { $subject ->
            [database] времени базы данных снова можно верить.
            [commits] состояние базы данных подтверждено.
           *[other] часы { $subject } снова идут верно (или этой реплики больше нет).
        }
        [alarm_channel] через { $subject } сообщения снова уходят (или этот канал больше не используется).
        [alarm_notice] сообщения вида { $subject } не отклонялись уже сутки.
       *[other] { $alarm } ({ $subject }).
    }
    Впервые сообщено: { $since }.
    .subject = Отбой: { $subject }

# Названия записей в ссылке-подписке клиента без доступа. Без разметки, в одну строку, коротко.
feed_ended = Подписка закончилась { $ended_at_date }. { $pay ->
        [none] Продлите её в нашем боте, и доступ вернётся
       *[other] Продлить: { $pay }
    }

feed_none = Подписки пока нет. { $pay ->
        [none] Купите её в нашем боте
       *[other] Купить: { $pay }
    }

feed_no_servers = Сейчас нет доступных серверов. Напишите в поддержку

button_buy = Купить
button_renew = Продлить
button_top_up = Пополнить баланс
button_choose = Выбрать тариф
