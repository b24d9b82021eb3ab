# Проверка.
audit-about = Проверка подтверждает каждое обещание по текущей базе данных. Она читает все строки и не меняет данные клиентов.
audit-needs-admin = Для проверки нужна роль администратора. Итог последней проверки показан в обзоре.
audit-run = Проверить всё
audit-run-changes = Проверить только изменения
audit-stop = Остановить
audit-none-yet = В этой сессии проверок ещё не было.
audit-progress = Ход проверки
audit-starts = Проверка начинается…
audit-at = Пункт { $at } из { $of }, прошло { $time }:
audit-at-other = Идёт другая проверка, пункт { $at } из { $of }, прошло { $time }:
audit-result = Итог
audit-ok = Нарушений нет
audit-wrong = Есть нарушения
audit-violations = Нарушения
audit-checks = Пункты проверки
audit-took = Длительность
audit-everything = Проверено всё: { $because }.
audit-changes = Проверены только клиенты, изменившиеся с { $at }: { $count }.
audit-violated = Нарушенные пункты
audit-all = Все пункты по обещаниям
audit-sample = Первые нарушения, { $count }:
audit-customer = Клиент { $id }:
audit-check-count = { $count ->
    [one] { $count } пункт
    [few] { $count } пункта
   *[other] { $count } пунктов
  }
audit-promise-none = Невозможные состояния
audit-promise-1 = Сохранность денег
audit-promise-2 = Одно списание за период
audit-promise-3 = Списание и продление — вместе
audit-promise-4 = Никаких ошибочных отключений
audit-promise-5 = Никакого бесплатного доступа
audit-promise-6 = Никаких потерянных уведомлений
audit-promise-7 = Никаких устаревших уведомлений
audit-promise-8 = Никакой сети внутри транзакции
audit-promise-9 = Изолированные сбои
audit-promise-10 = N реплик так же надёжны, как одна
