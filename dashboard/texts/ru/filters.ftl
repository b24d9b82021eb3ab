# Фильтры клиентов и подписок, состояния подписки.
filter-state = Состояние
filter-kind = Вид
filter-plan = Тариф
filter-node_group = Группа узлов
filter-within = Кончается в течение
filter-ends_after = Кончается с
filter-ends_before = Кончается до
filter-auto_renew = Автопродление
filter-short = Не хватит денег
filter-tried = Ждёт денег
filter-unreachable = Недоступен
filter-blocked = Заблокирован

state-active = активна
state-expired = истекла
state-revoked = отозвана
kind-trial = пробная
kind-paid = платная
